"""Pipelines of many nodes: no stack overflow, and no quadratic work."""

import gc

import pytest

from thalweg import Stream
from thalweg.tasks import Client

NODES = 30_000


def deep() -> tuple[Stream, list]:
    got: list = []
    source = Stream()
    last = source
    for _ in range(NODES):
        last = last.map(int)
    last.sink(got.append)
    return source, got


def deep_in_full() -> tuple[Stream, list]:
    got: list = []
    source = Stream()
    last = source
    for _ in range(NODES // 6):
        last = last.partition(1).flatten()
    last.sink(got.append)
    return source, got


def wide() -> tuple[Stream, list]:
    got: list = []
    source = Stream()
    for _ in range(NODES // 2):
        source.map(int).sink(got.append)
    return source, got


@pytest.mark.parametrize("build", [deep, deep_in_full, wide])
def test_many_nodes_are_built_collected_drained_and_dropped(build):
    source, got = build()
    gc.collect()
    source.emit(1)
    source.emit_many([2, 3])
    source.drain()
    assert set(got) == {1, 2, 3}
    del source
    gc.collect()


def test_branches_are_added_and_removed_one_by_one():
    source = Stream()
    for order in (1, -1):
        branches = [source.map(int) for _ in range(NODES)]
        source.emit(1)
        while branches:
            branches.pop(0 if order == 1 and len(branches) % 2 else -1).destroy()
        assert not source.downstreams


def test_branches_outlive_their_source():
    for order in (1, -1):
        source = Stream()
        branches = [source.map(int) for _ in range(NODES)]
        for branch in branches[::2]:
            branch.sink(int)
        del source, branch
        while branches:
            branches.pop(0 if order == 1 and len(branches) % 2 else -1)


def test_a_client_has_any_number_of_threads():
    with Client(n_workers=200_000) as client:
        counter = client.submit(Counter, actor=True).result()
        assert [counter.increment().result() for _ in range(3)] == [1, 2, 3]


class Counter:
    def __init__(self):
        self.count = 0

    def increment(self):
        self.count += 1
        return self.count
