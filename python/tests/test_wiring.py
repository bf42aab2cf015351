"""Nodes and edges: upstreams and downstreams."""

from __future__ import annotations

import functools
import sys

import pytest

from thalweg import Stream, VirtualClock, destroy_pipeline


def same(nodes, expected):
    """Whether two sequences have the same nodes in the same order."""
    nodes, expected = list(nodes), list(expected)
    return len(nodes) == len(expected) and all(a is b for a, b in zip(nodes, expected, strict=True))


# Upstreams and downstreams.


def test_upstreams_and_downstreams_keep_the_order_of_attachment():
    source = Stream()
    a, b, c = source.map(str), source.filter(None), source.sink(print)
    assert same(source.downstreams, [a, b, c])
    assert same(a.upstreams, [source])
    assert a.upstream is source
    assert source.upstream is None
    assert same(source.upstreams, [])


def test_the_upstream_attribute_raises_for_several_upstreams():
    a, b = Stream(), Stream()
    joined = a.union(b)
    assert same(joined.upstreams, [a, b])
    with pytest.raises(ValueError, match="multiple upstreams"):
        joined.upstream  # noqa: B018


def test_downstreams_are_a_mutable_set():
    source, a, b = Stream(), Stream(), Stream()
    source.downstreams.add(a)
    source.downstreams.add(a)
    assert len(source.downstreams) == 1
    assert a in source.downstreams
    assert b not in source.downstreams
    with pytest.raises(KeyError):
        source.downstreams.remove(b)
    source.downstreams.discard(b)
    source.downstreams.remove(a)
    assert not source.downstreams
    assert same(a.upstreams, [])


def test_connect_and_disconnect():
    a, b = Stream(), Stream()
    L = b.sink_to_list()
    a.connect(b)
    assert same(a.downstreams, [b])
    assert same(b.upstreams, [a])
    a.emit(1)
    a.disconnect(b)
    a.emit(2)
    assert same(a.downstreams, [])
    assert same(b.upstreams, [])
    assert L == [1]


def test_connecting_while_an_element_is_in_flight():
    source, late = Stream(), Stream()
    L = late.sink_to_list()

    def attach(x):
        if x == 1:
            source.connect(late)
        if x == 3:
            source.disconnect(late)

    source.sink(attach)
    for x in range(5):
        source.emit(x)
    assert L[-2:] == [2, 3] or L == [2]
    assert 4 not in L


def test_joins_grow_and_shrink():
    a, b, c = Stream(), Stream(), Stream()
    joined = a.zip(b)
    L = joined.sink_to_list()
    c.connect(joined)
    a.emit(1)
    b.emit(2)
    assert L == []
    c.emit(3)
    assert L == [(1, 2, 3)]
    c.disconnect(joined)
    a.emit(4)
    b.emit(5)
    assert L[-1] == (4, 5)


def test_combine_latest_shrinks_after_data():
    a, b, c = Stream(), Stream(), Stream()
    joined = a.combine_latest(b, c)
    L = joined.sink_to_list()
    for stream, x in zip((a, b, c), "xyz", strict=True):
        stream.emit(x)
    b.disconnect(joined)
    a.emit("w")
    assert L == [("x", "y", "z"), ("w", "z")]


def test_zip_latest_grows():
    a, b, c = Stream(), Stream(), Stream()
    joined = a.zip_latest(b)
    L = joined.sink_to_list()
    c.connect(joined)
    b.emit("b")
    a.emit("a")
    assert L == []
    c.emit("c")
    assert L == [("a", "b", "c")]


def test_destroy_detaches_from_all_or_from_some():
    a, b = Stream(), Stream()
    joined = a.union(b)
    L = joined.sink_to_list()
    joined.destroy([a])
    a.emit(1)
    b.emit(2)
    assert L == [2]
    joined.destroy()
    b.emit(3)
    assert L == [2]
    assert same(a.downstreams, []) and same(b.downstreams, [])


def test_destroy_pipeline_detaches_everything_downstream():
    source = Stream()
    node = source.map(str)
    L = node.sink_to_list()
    destroy_pipeline(node)
    source.emit(1)
    node.emit(2)
    assert L == []


def test_move_to_first():
    source, seen = Stream(), []
    source.sink(lambda x: seen.append("a"))
    source.sink(lambda x: seen.append("b")).move_to_first()
    source.emit(1)
    assert seen == ["b", "a"]


# Names and descriptions.


def test_names_and_descriptions():
    def double(x):
        return 2 * x

    source = Stream()
    assert str(Stream(stream_name="readings")) == "<readings; Stream>"
    assert str(source.map(double)) == "<map: double>"
    assert str(source.filter(double, stream_name="big")) == "<big; filter: double>"
    assert str(source.sliding_window(3)) == "<sliding_window: 3>"
    assert repr(source.partition(2)) == "<partition: 2>"
    assert str(source.map(functools.partial(double))).startswith("<map")
    assert Stream(stream_name="x").name == "x"


def test_the_current_value():
    source = Stream()
    node = source.map(lambda x: x + 1)
    odd = node.filter(lambda x: x % 2)
    window = odd.partition(2)
    assert source.current_value is None
    source.emit_many([2, 3])
    assert (source.current_value, node.current_value, odd.current_value) == (3, 4, 3)
    assert window.current_value is None
    source.emit(4)
    assert window.current_value == (3, 5)


def test_the_loop_attribute():
    clock = VirtualClock()
    source = Stream(loop=clock)
    assert source.map(str).loop is source.loop
    assert source.loop.asyncio_loop is clock.asyncio_loop
    assert Stream().loop is None
    blocking = Stream(asynchronous=False)
    assert blocking.loop is not None
    assert blocking.asynchronous is False


def test_connecting_pipelines_gives_both_one_loop():
    clock = VirtualClock()
    a, b = Stream(), Stream(loop=clock)
    node = a.map(str)
    node.connect(b)
    assert a.loop is b.loop


class Passing(Stream):
    def update(self, x, who=None, metadata=None):
        return self._emit(x)


@pytest.mark.parametrize("make", [Stream, Passing], ids=["plain", "subclass"])
def test_connecting_twice_makes_one_edge(make):
    source, target = Stream(), make()
    L = target.sink_to_list()
    source.connect(target)
    source.connect(target)
    source.emit(1)
    assert L == [1]
    assert list(source.downstreams) == [target]
    source.disconnect(target)
    assert target.upstreams == []
    source.emit(2)
    assert L == [1]
    source.connect(target)
    source.connect(target)
    target.destroy()
    source.emit(3)
    assert L == [1]
    assert (target.upstreams, list(source.downstreams)) == ([], [])


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.union(s),
        lambda s: s.union(Stream(), s, s),
        lambda s: Stream(upstreams=[s, s]),
        lambda s: Passing(upstreams=[s, s]),
    ],
    ids=["union", "union of three", "upstreams", "subclass"],
)
def test_the_same_upstream_twice_gives_each_element_once(make):
    source = Stream()
    node = make(source)
    L = node.sink_to_list()
    source.emit(1)
    source.emit_many([2, 3])
    assert L == [1, 2, 3]
    node.destroy()
    source.emit(4)
    assert L == [1, 2, 3]


def test_a_zip_of_a_stream_with_itself_pairs_each_element_with_itself():
    source = Stream()
    pairs = source.zip(source)
    L = pairs.sink_to_list()
    source.emit(1)
    source.emit(2)
    assert L == [(1, 1), (2, 2)]
    pairs.destroy()
    source.emit(3)
    assert L == [(1, 1), (2, 2)]


# Building.


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("map", (str,)),
        ("filter", (None,)),
        ("accumulate", (max,)),
        ("partition", (2,)),
        ("buffer", (2,)),
        ("zip", (1,)),
        ("union", ()),
        ("rate_limit", (1,)),
        ("timed_window", (1,)),
        ("sink", (print,)),
    ],
)
def test_a_node_is_built_by_one_call_of_rust(operator, arguments):
    source = Stream(loop=VirtualClock())
    # The first use of an operator imports it.
    first = getattr(source, operator)(*arguments)
    calls = []

    def note(frame, event, called):
        owner = getattr(called, "__module__", None) or type(getattr(called, "__self__", None)).__module__
        if event == "c_call" and owner.startswith("thalweg."):
            calls.append(called.__qualname__)

    sys.setprofile(note)
    try:
        second = getattr(source, operator)(*arguments)
    finally:
        sys.setprofile(None)
    assert type(second) is type(first)
    assert calls == ["stream" if operator == "union" else operator]
