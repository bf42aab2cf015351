"""Detached parts of a pipeline are freed once unreferenced; parts that lead to a sink stay."""

from __future__ import annotations

import gc
import weakref

import pytest

from thalweg import Sink, Stream, zip


def nodes_alive() -> int:
    gc.collect()
    return sum(isinstance(thing, Stream) for thing in gc.get_objects())


def destroyed(source):
    node = source.map(int)
    node.sink(str)
    node.destroy()


def destroyed_in_the_middle(source):
    node = source.map(int)
    node.filter(bool).map(str).sink_to_list()
    node.map(int).partition(2).sink(str)
    node.destroy()


def disconnected(source):
    node = source.map(int)
    node.sink(str)
    source.disconnect(node)


def removed_from_downstreams(source):
    node = source.map(int)
    node.sink(str)
    source.downstreams.remove(node)


def disconnected_with_its_own_source(source):
    other = Stream()
    node = source.union(other)
    node.sink(str)
    node.destroy()


def one_of_two_edges(source):
    node = source.map(int)
    last = zip(node, source)
    last.sink(str)
    source.disconnect(last)
    node.destroy()


def with_a_loop(source):
    node = source.map(int)
    back = node.filter(lambda x: x > 0).map(int)
    back.connect(node)
    back.sink(str)
    source.disconnect(node)


def sink_of_a_loop(source):
    node = source.map(int)
    back = node.filter(lambda x: x > 0).map(int)
    back.connect(node)
    back.sink(str).destroy()


def sink_that_is_destroyed(source):
    source.map(int).map(int).sink(str).destroy()


def failures(source):
    node = source.map(int)
    node.on_exception().map(str).sink(str)
    node.sink(str)
    node.destroy()


def inside_of_a_function(source):
    def build(x):
        node = source.map(int)
        node.sink(str)
        node.destroy()

    watcher = source.sink(build)
    source.emit(1)
    watcher.destroy()


def join_with_a_waiting_element(source):
    other = Stream()
    joined = zip(source, other)
    joined.sink(str)
    other.emit(bytes(1_000))
    joined.destroy()


WAYS = [
    destroyed,
    destroyed_in_the_middle,
    disconnected,
    removed_from_downstreams,
    disconnected_with_its_own_source,
    one_of_two_edges,
    with_a_loop,
    sink_of_a_loop,
    sink_that_is_destroyed,
    failures,
    inside_of_a_function,
    join_with_a_waiting_element,
]


@pytest.mark.parametrize("detach", WAYS)
@pytest.mark.parametrize("on_loop", [False, True])
def test_a_detached_branch_is_freed(detach, on_loop):
    source = Stream()
    L = source.map(str).sink_to_list()
    if on_loop:
        source.buffer(10).sink(str)
    detach(source)
    before = nodes_alive()
    for _ in range(100):
        detach(source)
    # Fewer, if a loop still had an earlier test's.
    assert nodes_alive() <= before
    source.emit(1)
    assert L[-1] == "1"


def test_a_detached_branch_works_for_as_long_as_a_node_of_it_is_held():
    source = Stream()
    node = source.map(int)
    L = node.map(str).sink_to_list()
    node.destroy()
    gc.collect()
    node.emit(1)
    source.emit(2)
    assert L == ["1"]
    node.connect(source)
    M = source.sink_to_list()
    source.connect(end := Stream())
    N = end.sink_to_list()
    del source, end
    gc.collect()
    node.emit(3)
    assert (L, M, N) == (["1", "3"], [3], [3])


def test_a_referenced_sink_keeps_its_upstreams_alive():
    source = Stream()
    node = source.map(int)
    sink = node.map(str).sink(str)
    reference = weakref.ref(node)
    node.destroy()
    del node
    gc.collect()
    assert reference() is not None
    del sink
    gc.collect()
    assert reference() is None


def test_a_distant_sink_keeps_every_node_before_it_alive():
    source = Stream()
    first = source.map(int)
    second = first.filter(bool)
    reference = weakref.ref(first)
    L = second.sink_to_list()
    M = second.sink_to_list()
    second.downstreams.discard(next(iter(second.downstreams)))
    del first, second
    gc.collect()
    source.emit(1)
    assert reference() is not None
    assert (L, M) == ([], [1])


def test_a_cycle_without_a_sink_is_freed():
    source = Stream()
    node = source.map(int)
    back = node.filter(lambda x: x > 0).map(int)
    back.connect(node)
    sink = back.sink(str)
    reference = weakref.ref(node)
    del node, back
    gc.collect()
    assert reference() is not None
    sink.destroy()
    del sink
    gc.collect()
    assert reference() is None
    assert not source.downstreams


def test_an_error_stream_is_kept_alive_by_its_node():
    source = Stream()
    node = source.map(int)
    L = node.on_exception().map(lambda failure: failure.element).sink_to_list()
    gc.collect()
    source.emit("one")
    assert L == ["one"]
    M = node.on_exception().map(lambda failure: failure.element).sink_to_list()
    before = nodes_alive()
    for _ in range(10):
        node.on_exception().sink(str)
    assert nodes_alive() <= before + 2
    assert M == []


class Collect(Sink):
    def __init__(self, upstream):
        super().__init__(upstream)
        self.got = []

    def update(self, x, who=None, metadata=None):
        self.got.append(x)


def test_a_custom_sink_is_freed_with_its_branch():
    source = Stream()

    def detach():
        node = source.map(int)
        Collect(node)
        node.destroy()

    detach()
    before = nodes_alive()
    for _ in range(100):
        detach()
    # Fewer, if a loop still had an earlier test's.
    assert nodes_alive() <= before
    kept = Collect(source.map(int))
    gc.collect()
    source.emit(1)
    assert kept.got == [1]


def test_separating_joined_pipelines():
    a, b = Stream(), Stream()
    L, M = a.map(int).sink_to_list(), b.map(int).sink_to_list()
    joined = a.union(b)
    N = joined.sink_to_list()
    del b
    gc.collect()
    joined.upstreams[1].emit(1)
    assert (L, M, N) == ([], [1], [1])
    reference = weakref.ref(joined.upstreams[1])
    joined.destroy([reference()])
    gc.collect()
    assert reference() is None
    a.emit(2)
    assert (L, N) == ([2], [1, 2])
