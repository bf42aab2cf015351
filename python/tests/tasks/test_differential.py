"""Programs for `dask.distributed` give the same results on thalweg and on Dask."""

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
            # Locks and queues keep their state, so a second run could give another result.
            while name not in expected:
                # On a busy machine `sync` of distributed sometimes loses a result.
                with suppress(UnboundLocalError):
                    expected[name] = PROGRAMS[name](distributed, client)
            return expected[name]

        yield once


#: Programs that need functions to run in this process, to change state.
OF_ONE_PROCESS = {"by_key", "one_at_a_time", "retries", "retry_on_request"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_threads_match_dask(name, theirs):
    expected = theirs(name)
    with thalweg.distributed.Client(n_workers=1, threads_per_worker=4, processes=False) as ours:
        assert PROGRAMS[name](thalweg.distributed, ours) == expected


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - OF_ONE_PROCESS))
def test_processes_match_dask(name, theirs):
    expected = theirs(name)
    with thalweg.distributed.Client(n_workers=2, threads_per_worker=2, processes=True) as ours:
        assert PROGRAMS[name](thalweg.distributed, ours) == expected
