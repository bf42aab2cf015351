"""Programs for `dask.distributed` come to the same here as there."""

from __future__ import annotations

import pytest

import thalweg.distributed
from programs_of_tasks import PROGRAMS

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def theirs():
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address="127.0.0.1:0"
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_it_comes_to_the_same(program, theirs):
    expected = program(distributed, theirs)
    with thalweg.distributed.Client(n_workers=1, threads_per_worker=4, processes=False) as ours:
        assert program(thalweg.distributed, ours) == expected
