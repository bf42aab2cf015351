"""Streams on a Dask cluster, in this process and on loopback."""

from __future__ import annotations

import asyncio
from operator import add

import pytest

pytest.importorskip("thalweg.core")
distributed = pytest.importorskip("distributed")

import thalweg.dask as td  # noqa: E402
from thalweg.core import RefCounter  # noqa: E402

from thalweg import Stream  # noqa: E402
from thalweg.parallel import Element  # noqa: E402

CLUSTER = {"n_workers": 2, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}


@pytest.fixture(scope="module")
def client():
    with distributed.Client(**CLUSTER) as client:
        yield client


def odd(x):
    return x % 2


def fail_on_2(*args):
    if 2 in args:
        raise ArithmeticError("two")
    return sum(args)


def outcome(build, inputs, client):
    """Results of a pipeline, on the cluster and locally."""
    results = []
    for there in (False, True):
        source = Stream()
        last = build(source.scatter() if there else source)
        found = (last.gather() if there else last).sink_to_list()
        for x in inputs:
            source.emit(x)
        source.drain()
        results.append(found)
    return results


@pytest.mark.parametrize(
    ("build", "inputs"),
    [
        (lambda s: s.map(add, 10), range(5)),
        (lambda s: s.starmap(add), [(1, 2), (3, 4)]),
        (lambda s: s.filter(odd), range(5)),
        (lambda s: s.filter(None), range(3)),
        (lambda s: s.remove(odd), range(5)),
        (lambda s: s.filter(odd).accumulate(add), range(6)),
        (lambda s: s.filter(odd).partition(2), range(8)),
        (lambda s: s.accumulate(add, start=10), range(4)),
        (lambda s: s.scan(lambda a, x: (a + x, (a, x)), start=0, returns_state=True), range(4)),
        (lambda s: s.accumulate(add, start=0, with_state=True), range(4)),
        (lambda s: s.pluck(0), ["ab", "cd"]),
        (lambda s: s.pluck([0, 1]), ["abc", "def"]),
        (lambda s: s.flatten(), [[1, 2], [], [3]]),
        (lambda s: s.unique(), [1, 2, 1, 3, 2]),
        (lambda s: s.unique(maxsize=1, key=odd), [1, 3, 2, 4, 5]),
        (lambda s: s.unique(hashable=False), [[1], [1], [2]]),
        (lambda s: s.partition(2, key=odd), range(8)),
        (lambda s: s.partition(2, key=0), ["ax", "by", "az", "bw"]),
        (lambda s: s.partition_unique(2, key=odd), [1, 3, 2, 4, 5, 7, 6]),
        (lambda s: s.partition_unique(2, key=odd, keep="last"), [1, 3, 2, 4, 5, 7, 6]),
        (lambda s: s.sliding_window(2), range(4)),
        (lambda s: s.slice(1, 5, 2), range(8)),
        (lambda s: s.zip(s.map(odd)), range(4)),
        (lambda s: s.zip(5, s), range(3)),
        (lambda s: s.union(s.map(odd)), range(3)),
        (lambda s: s.combine_latest(s.map(odd)), range(3)),
        (lambda s: s.zip_latest(s.map(odd)), range(3)),
        (lambda s: s.frequencies(), "abca"),
        (lambda s: s.map(str).map(int).filter(odd).map(add, 1), range(5)),
    ],
)
def test_results_are_those_of_a_local_stream(client, build, inputs):
    here, there = outcome(build, list(inputs), client)
    assert there == here
    assert here


def test_intermediate_results_stay_on_the_cluster(client):
    source = Stream()
    on_cluster = source.scatter()
    for node in (on_cluster.zip_latest(on_cluster), on_cluster.unique(), on_cluster.buffer(3), on_cluster.collect()):
        assert isinstance(node, td.DaskStream)
    elements = on_cluster.map(odd).sink_to_list()
    source.emit(3)
    assert [type(element) for element in elements] == [Element]
    assert elements[0].result(timeout=60) == 1


def test_a_failure_is_reported_to_the_emitter(client):
    source = Stream()
    results = source.scatter().map(fail_on_2).gather().sink_to_list()
    source.emit(1)
    with pytest.raises(ArithmeticError, match="two") as caught:
        source.emit(2)
    source.emit(3)
    assert caught.value.__notes__ == ["in map(fail_on_2), on element 2: 2"]
    assert results == [1, 3]


@pytest.mark.parametrize("build", [lambda s: s.accumulate(fail_on_2, start=0), lambda s: s.map(fail_on_2).scan(add)])
def test_a_failure_does_not_change_the_state(client, build):
    source = Stream()
    results = build(source.scatter()).gather().sink_to_list()
    with pytest.raises(ArithmeticError):
        source.emit_many([1, 2, 4])
    assert results == [1, 5]


def test_acknowledgement_waits_for_the_result(client):
    acknowledged = []
    source = Stream()
    results = source.scatter().map(add, 1).filter(odd).gather().sink_to_list()
    for x in (1, 2, 3, 4):
        source.emit(x, metadata=[{"ref": RefCounter(cb=lambda x=x: acknowledged.append((x, list(results))))}])
    source.drain()
    assert acknowledged == [(1, []), (2, [3]), (3, [3]), (4, [3, 5])]


def test_another_backend_is_refused():
    with pytest.raises(ValueError, match="'spark'"):
        Stream().scatter(backend="spark")


def test_in_a_running_loop_and_in_order():
    async def main():
        async with distributed.Client(asynchronous=True, **CLUSTER) as client:
            source = Stream(asynchronous=True)
            results = source.scatter(client=client).map(add, 1).filter(odd).buffer(4).gather().sink_to_list()
            # Emitted concurrently.
            await asyncio.gather(*[source.emit(x) for x in range(20)])
            await source.drain()
            return results

    assert asyncio.run(asyncio.wait_for(main(), 60)) == list(range(1, 21, 2))


def test_a_given_client_is_used_though_another_is_active(client):
    with distributed.Client(**CLUSTER) as other, client.as_current():
        source = Stream()
        scattered = source.scatter(client=other)
        results = scattered.map(odd).gather().sink_to_list()
        source.emit(1)
        source.drain()
        assert scattered._session.backend.engine is other
        assert results == [1]
