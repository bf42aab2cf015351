"""Programs for `dask.distributed` come to the same here as there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

import programs_of_clients
import thalweg.distributed
from programs_of_tasks import PROGRAMS

assert programs_of_clients.actors.__name__ in PROGRAMS

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def theirs():
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address="127.0.0.1:0"
    )
    with cluster, distributed.Client(cluster) as client:
        expected: dict[str, Any] = {}

        def once(name):
            # What a program does to locks and queues stays: a second time it might come to something else.
            while name not in expected:
                # On a busy machine distributed's `sync` loses a result, now and then: a fault of its own.
                with suppress(UnboundLocalError):
                    expected[name] = PROGRAMS[name](distributed, client)
            return expected[name]

        yield once


#: They look at what a function has done in this process.
OF_ONE_PROCESS = {"by_key", "one_at_a_time", "trying_again", "trying_again_on_request"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_comes_to_the_same(name, theirs):
    expected = theirs(name)
    with thalweg.distributed.Client(n_workers=1, threads_per_worker=4, processes=False) as ours:
        assert PROGRAMS[name](thalweg.distributed, ours) == expected


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - OF_ONE_PROCESS))
def test_it_comes_to_the_same_on_processes(name, theirs):
    expected = theirs(name)
    with thalweg.distributed.Client(n_workers=2, threads_per_worker=2, processes=True) as ours:
        assert PROGRAMS[name](thalweg.distributed, ours) == expected
