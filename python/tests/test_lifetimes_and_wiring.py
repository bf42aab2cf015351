"""Nodes and edges: who is above and below whom, and classes of the user's own."""

from __future__ import annotations

import asyncio
import functools

import pytest

import thalweg
from thalweg import Sink, Stream, VirtualClock, destroy_pipeline


def same(nodes, expected):
    """Whether these are those nodes, in that order."""
    nodes, expected = list(nodes), list(expected)
    return len(nodes) == len(expected) and all(a is b for a, b in zip(nodes, expected, strict=True))


# Who is above and below.


def test_upstreams_and_downstreams_are_in_the_order_of_attachment():
    source = Stream()
    a, b, c = source.map(str), source.filter(None), source.sink(print)
    assert same(source.downstreams, [a, b, c])
    assert same(a.upstreams, [source])
    assert a.upstream is source
    assert source.upstream is None
    assert same(source.upstreams, [])


def test_the_one_upstream_of_several():
    a, b = Stream(), Stream()
    joined = a.union(b)
    assert same(joined.upstreams, [a, b])
    with pytest.raises(ValueError, match="multiple upstreams"):
        joined.upstream  # noqa: B018


def test_downstreams_are_a_set_to_look_at_and_to_change():
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


def test_connecting_while_an_element_is_on_its_way():
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


def test_destroy_pipeline_takes_all_below_apart():
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


# Names and looks.


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


def test_the_loop():
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


# Classes of the user's own.


class twice(Stream):
    def update(self, x, who=None, metadata=None):
        return self._emit(x, metadata) + self._emit(x, metadata)


class tagging(Stream):
    """Says who has sent each element."""

    def __init__(self, *upstreams, **kwargs):
        super().__init__(upstreams=upstreams, **kwargs)

    def update(self, x, who=None, metadata=None):
        return self._emit((self.upstreams.index(who), x), metadata=metadata)


def test_a_subclass_at_the_top_in_the_middle_and_at_the_end():
    class top(Stream):
        def produce(self, n):
            for x in range(n):
                self._emit(x)

    class end(Sink):
        def __init__(self, upstream, **kwargs):
            self.got = []
            super().__init__(upstream, **kwargs)

        def update(self, x, who=None, metadata=None):
            self.got.append((x, who))

    source = top()
    node = twice(source.map(str))
    sink = end(node)
    source.produce(2)
    assert [x for x, _ in sink.got] == ["0", "0", "1", "1"]
    assert sink.got[0][1] is node


def test_a_subclass_that_ends_a_pipeline_is_kept_by_it():
    got = []

    class end(Sink):
        def update(self, x, who=None, metadata=None):
            got.append(x)

    source = Stream()
    end(source)
    source.emit(1)
    assert got == [1]


def test_a_subclass_is_told_who_has_sent_an_element():
    a, b, c = Stream(), Stream(), Stream()
    node = tagging(a, b)
    L = node.sink_to_list()
    b.emit("x")
    a.emit("y")
    c.connect(node)
    c.emit("z")
    a.disconnect(node)
    b.emit("w")
    assert L == [(1, "x"), (0, "y"), (2, "z"), (0, "w")]


def test_a_subclass_is_called_directly():
    node = twice(Stream())
    L = node.sink_to_list()
    node.update(5)
    assert L == [5, 5]


def test_a_subclass_gets_metadata_as_a_list_of_dicts():
    seen = []

    class noting(Stream):
        def update(self, x, who=None, metadata=None):
            seen.append(metadata)
            return self._emit(x, metadata=metadata)

    source = Stream()
    keep = noting(source.map(str)).partition(2)
    pairs = noting(keep)
    assert pairs is not None
    one, two = {"v": 1}, {"v": 2}
    source.emit(1, metadata=[one])
    source.emit(2, metadata=[two])
    assert seen == [[one], [two], [one, two]]
    assert seen[0][0] is one


def test_a_subclass_that_returns_an_awaitable_holds_emitters_up():
    class slow(Stream):
        async def _wait(self, x, metadata):
            await asyncio.sleep(10)
            await asyncio.gather(*self._emit(x, metadata=metadata))

        def update(self, x, who=None, metadata=None):
            return self._wait(x, metadata)

    clock = VirtualClock()
    source = Stream(loop=clock)
    L = slow(source).sink_to_list()
    source.emit(1)
    assert (L, clock.time()) == ([1], 10)


def test_a_subclass_that_returns_a_list_of_awaitables():
    class slow(Stream):
        def update(self, x, who=None, metadata=None):
            return [asyncio.sleep(3), asyncio.sleep(7)]

    clock = VirtualClock()
    source = Stream(loop=clock)
    node = slow(source)
    source.emit(1)
    assert clock.time() == 7
    assert node.counters()["received"] == 1


def test_a_subclass_with_update_as_an_async_def():
    class slow(Stream):
        async def update(self, x, who=None, metadata=None):
            await asyncio.sleep(5)
            for waiting in self._emit(x + 1):
                await waiting

    clock = VirtualClock()
    source = Stream(loop=clock)
    L = slow(source).rate_limit(1).sink_to_list()
    source.emit(1)
    source.emit(2)
    assert (L, clock.time()) == ([2, 3], 10)


def test_a_subclass_that_forgets_to_call_init_is_told():
    class forgetful(Stream):
        def __init__(self, upstream):
            pass

    with pytest.raises(RuntimeError, match="__init__"):
        forgetful(Stream()).emit(1)


def test_a_subclass_that_sets_attributes_before_init():
    class configured(Stream):
        def __init__(self, upstream, n):
            self.n = n
            super().__init__(upstream)

        def update(self, x, who=None, metadata=None):
            return self._emit(self.n * x)

    source = Stream()
    L = configured(source, 3).sink_to_list()
    source.emit(2)
    assert L == [6]


# Subclasses of operators.


class loud_map(thalweg.map):
    """Announces every element, and has the operator go on with it."""

    def __init__(self, *args, **kwargs):
        self.heard = []
        super().__init__(*args, **kwargs)

    def update(self, x, who=None, metadata=None):
        self.heard.append((x, who))
        return super().update(x, who=who, metadata=metadata)


def test_a_subclass_of_an_operator_that_overrides_update():
    source = Stream()
    node = loud_map(source, lambda x: x + 1)
    L = node.sink_to_list()
    source.emit(1)
    source.emit_many([2, 3])
    assert L == [2, 3, 4]
    assert [x for x, _ in node.heard] == [1, 2, 3]
    assert all(who is source for _, who in node.heard)


def test_a_subclass_of_an_operator_may_change_and_drop_elements():
    class evens(thalweg.partition):
        def update(self, x, who=None, metadata=None):
            if x % 2:
                return []
            return super().update(10 * x, who=who, metadata=metadata)

    source = Stream()
    L = evens(source, 2).sink_to_list()
    source.emit_many(range(7))
    assert L == [(0, 20), (40, 60)]
    source.drain()
    assert L == [(0, 20), (40, 60)]


def test_a_subclass_of_an_operator_keeps_what_the_operator_holds_until_a_drain():
    class windows(thalweg.partition):
        def update(self, x, who=None, metadata=None):
            return super().update(x, who, metadata)

    source = Stream()
    L = windows(source, 2).sink_to_list()
    source.emit_many(range(3))
    source.drain()
    assert L == [(0, 1), (2,)]


def test_a_subclass_of_an_operator_that_waits():
    class limited(thalweg.rate_limit):
        def update(self, x, who=None, metadata=None):
            return super().update(x, who, metadata)

    clock = VirtualClock()
    source = Stream(loop=clock)
    L = limited(source, 10).sink_to_list()
    for x in range(3):
        source.emit(x)
    assert (L, clock.time()) == ([0, 1, 2], 20)


def test_a_subclass_of_an_operator_fails_as_the_operator_does():
    source = Stream()
    node = loud_map(source, lambda x: 1 / x, on_error="skip")
    L = node.sink_to_list()
    source.emit_many([1, 0])
    assert L == [1.0]
    strict = loud_map(source, lambda x: 1 / x)
    with pytest.raises(ZeroDivisionError):
        source.emit(0)
    assert len(strict.heard) == 1


def test_a_subclass_of_a_sink_that_overrides_update():
    class noting(thalweg.sink):
        def update(self, x, who=None, metadata=None):
            seen.append(x)
            return super().update(x, who=who, metadata=metadata)

    seen, L = [], []
    source = Stream()
    noting(source, L.append)
    source.emit_many([1, 2])
    assert seen == L == [1, 2]


def test_a_subclass_of_a_join_that_overrides_update():
    class noting(thalweg.zip):
        def update(self, x, who=None, metadata=None):
            seen.append((x, who))
            return super().update(x, who=who, metadata=metadata)

    seen = []
    a, b = Stream(), Stream()
    L = noting(a, b).sink_to_list()
    b.emit("x")
    a.emit(1)
    assert L == [(1, "x")]
    assert [x for x, _ in seen] == ["x", 1]
    assert seen[0][1] is b


def test_a_subclass_of_an_operator_without_an_update_of_its_own():
    class squares(thalweg.map):
        def __init__(self, upstream, **kwargs):
            super().__init__(upstream, lambda x: x * x, **kwargs)

    source = Stream()
    L = squares(source).sink_to_list()
    source.emit(3)
    assert L == [9]
    assert isinstance(squares(source), thalweg.map)


# The methods of streams.


@pytest.fixture
def _clean():
    before = dict(Stream.__dict__)
    yield
    for name in set(Stream.__dict__) - set(before):
        delattr(Stream, name)


@pytest.mark.usefixtures("_clean")
class TestRegistration:
    def test_a_class_becomes_a_method(self):
        Stream.register_api()(twice)
        source = Stream()
        L = source.twice().sink_to_list()
        source.emit(1)
        assert L == [1, 1]

    def test_under_another_name(self):
        Stream.register_api(attribute_name="double_up")(twice)
        assert isinstance(Stream().double_up(), twice)

    def test_a_source_becomes_a_static_method(self):
        @Stream.register_api(staticmethod)
        class from_nothing(Stream):
            pass

        assert isinstance(Stream.from_nothing(), from_nothing)
        assert isinstance(Stream().from_nothing(), from_nothing)

    def test_a_subclass_inherits_methods_and_keeps_its_own(self):
        class Special(Stream):
            pass

        Stream.register_api()(twice)

        @Special.register_api()
        class thrice(Special):
            def update(self, x, who=None, metadata=None):
                return [self._emit(x, metadata) for _ in range(3)]

        assert isinstance(Special().twice(), twice)
        assert not hasattr(Stream, "thrice")
        L = []
        source = Special()
        source.thrice().sink(L.append)
        source.emit(1)
        assert L == [1, 1, 1]

    def test_a_function_becomes_a_method(self):
        @Stream.register_api()
        def plus(stream, n):
            return stream.map(lambda x: x + n)

        source = Stream()
        L = source.plus(2).sink_to_list()
        source.emit(1)
        assert L == [3]


def test_unknown_attributes_are_refused():
    with pytest.raises(AttributeError, match="no_such_thing"):
        Stream().no_such_thing()
    with pytest.raises(AttributeError, match="no_such_thing"):
        Stream.no_such_thing  # noqa: B018


class Passing(Stream):
    def update(self, x, who=None, metadata=None):
        return self._emit(x)


@pytest.mark.parametrize("make", [Stream, Passing], ids=["plain", "subclass"])
def test_an_edge_is_there_once_however_often_it_is_made(make):
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
