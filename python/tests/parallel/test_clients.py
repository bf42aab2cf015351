"""Streams on thalweg's clients: threads and processes, blocking and asynchronous."""

from __future__ import annotations

import asyncio
import os
import sys
from operator import add

import pytest

pytest.importorskip("thalweg.core")

from thalweg import Stream
from thalweg.tasks import AioClient, Client, LocalCluster

KINDS = [False, True]


def pid(_):
    return os.getpid()


def is_odd(x):
    return x % 2


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def built(scattered):
    windows = scattered.map(add, 1).filter(is_odd).buffer(10).accumulate(add).partition(2).starmap(add)
    return windows.gather().sink_to_list()


EXPECTED = [1 + 4, 9 + 16]


def emitted(source):
    source.emit_many(range(8))
    source.drain()


@pytest.mark.parametrize("processes", KINDS)
def test_scattering_to_a_client(processes):
    with Client(n_workers=2, processes=processes) as client:
        for options in ({"client": client}, {"backend": lambda: client}, {}):
            source = Stream()
            scattered = source.scatter(**options)
            assert scattered._session.backend.engine is client._engine
            L = built(scattered)
            emitted(source)
            assert L == EXPECTED


@pytest.mark.parametrize("processes", KINDS)
@pytest.mark.parametrize("kind", [AioClient, lambda **options: Client(asynchronous=True, **options)])
def test_scattering_to_an_asynchronous_client(processes, kind):
    async def main():
        async with kind(n_workers=2, processes=processes) as client:
            source = Stream(asynchronous=True)
            L = built(source.scatter(client))
            await source.emit_many(range(8))
            await source.drain()
            return L

    assert asyncio.run(main()) == EXPECTED


@pytest.mark.parametrize("processes", KINDS)
def test_an_asynchronous_client_and_a_stream_of_another_loop(processes):
    async def main():
        async with AioClient(n_workers=2, processes=processes) as client:
            source = Stream(asynchronous=False)
            L = built(source.scatter(client))
            await asyncio.to_thread(emitted, source)
            return L

    assert asyncio.run(main()) == EXPECTED


@pytest.mark.parametrize("processes", KINDS)
def test_clients_of_one_cluster_are_one_engine(processes):
    source = Stream()
    with LocalCluster(n_workers=2, processes=processes) as cluster, Client(cluster) as one:
        scattered = source.scatter(one)
        with Client(cluster) as another:
            L = built(scattered.union(source.scatter(another).filter(lambda x: False)))
        # The engine keeps running.
        emitted(source)
    assert L == EXPECTED


@pytest.mark.parametrize("processes", KINDS)
def test_the_thread_backend_ignores_the_active_client(processes):
    with Client(n_workers=1, processes=processes):
        source = Stream()
        L = source.scatter(backend="thread").map(pid).gather().sink_to_list()
        emitted(source)
    assert set(L) == {os.getpid()}


def test_process_clients_use_other_processes():
    with Client(n_workers=1, processes=True) as client:
        source = Stream()
        L = source.scatter(client).map(pid).gather().sink_to_list()
        emitted(source)
    assert len(set(L)) == 1
    assert os.getpid() not in L


@pytest.mark.parametrize("processes", KINDS)
def test_scattering_to_the_executor_of_a_client(processes):
    with Client(n_workers=2, processes=processes) as client, client.get_executor() as executor:
        source = Stream()
        L = built(source.scatter(executor))
        emitted(source)
        assert L == EXPECTED


@pytest.mark.parametrize("processes", KINDS)
def test_a_closed_client_fails_elements(processes):
    client = Client(n_workers=1, processes=processes)
    source = Stream()
    L = source.scatter(client).map(add, 1).gather().sink_to_list()
    client.close()
    with pytest.raises(Exception, match="closed"):
        source.emit(1)
    source.drain()
    assert L == []


@pytest.mark.parametrize("processes", KINDS)
def test_a_stream_keeps_its_engine_alive(processes):
    source = Stream()
    L = built(source.scatter(Client(n_workers=2, processes=processes)))
    emitted(source)
    assert L == EXPECTED
