"""User-defined node classes, and their registration as methods."""

from __future__ import annotations

import asyncio

import pytest

import thalweg
from thalweg import Sink, Source, Stream, VirtualClock

# User-defined classes.


class twice(Stream):
    def update(self, x, who=None, metadata=None):
        return self._emit(x, metadata) + self._emit(x, metadata)


class tagging(Stream):
    """Emits the sender of each element."""

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


def test_a_subclass_at_the_end_is_kept_alive_by_the_pipeline():
    got = []

    class end(Sink):
        def update(self, x, who=None, metadata=None):
            got.append(x)

    source = Stream()
    end(source)
    source.emit(1)
    assert got == [1]


def test_a_subclass_gets_the_sender_of_an_element():
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


def test_a_subclass_that_returns_an_awaitable_delays_emitters():
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


def test_a_subclass_that_forgets_to_call_init_raises():
    class forgetful(Stream):
        def __init__(self, upstream):
            pass

    with pytest.raises(RuntimeError, match="__init__"):
        forgetful(Stream()).emit(1)


def test_an_update_whose_body_would_never_run_is_refused():
    with pytest.raises(TypeError, match=r"Pieces: `update` is a function that returns, not the generator function"):

        class Pieces(Stream):
            def update(self, x, who=None, metadata=None):
                yield self._emit(x)

    with pytest.raises(TypeError, match=r"Written: `update` is a function that returns, not the generator function"):

        class Written(Sink):
            async def update(self, x, who=None, metadata=None):
                yield x


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
    """Records every element, and passes it on to the operator."""

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


def test_a_subclass_of_an_operator_holds_elements_until_a_drain():
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


# Methods of streams.


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

    def test_a_class_is_registered_under_another_name(self):
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


# Elements passed to `update` by other nodes.


class InTurn(Stream):
    """Passes each element to one downstream node, in turn."""

    turn = 0

    def update(self, x, who=None, metadata=None):
        downstreams = list(self.downstreams)
        self.turn += 1
        return downstreams[(self.turn - 1) % len(downstreams)].update(x, who=self, metadata=metadata)


@pytest.mark.parametrize(
    ("build", "results"),
    [
        (lambda s: s.map(str), [["0", "2", "4"], ["1", "3", "5"]]),
        (lambda s: s.accumulate(lambda a, b: a + b), [[0, 2, 6], [1, 4, 9]]),
        (lambda s: s.partition(2), [[(0, 2), (4,)], [(1, 3), (5,)]]),
        (lambda s: s.buffer(10), [[0, 2, 4], [1, 3, 5]]),
        (lambda s: s.zip("x"), [[(0, "x"), (2, "x"), (4, "x")], [(1, "x"), (3, "x"), (5, "x")]]),
        (InTurn, [[0, 2, 4], [1, 3, 5]]),
    ],
    ids=["map", "accumulate", "partition", "buffer", "zip", "subclass"],
)
def test_a_node_chooses_the_downstream_that_it_passes_an_element_to(build, results):
    source = Stream()
    router = InTurn(source)
    if build is InTurn:
        nodes = [build(router), build(router)]
        lists = [node.sink_to_list() for node in nodes]
    else:
        lists = [build(router).sink_to_list() for _ in range(2)]
    source.emit_many(range(6))
    source.drain()
    assert lists == results


def test_a_function_passes_elements_to_a_node_of_its_own_pipeline():
    source = Stream()
    tens = source.map(lambda x: 10 * x)
    L = tens.sink_to_list()
    source.sink(lambda x: tens.update(x + 100))
    source.emit_many([1, 2])
    assert L == [10, 1010, 20, 1020]


@pytest.mark.parametrize("method", ["zip", "combine_latest", "zip_latest"])
def test_joins_take_elements_by_update_at_the_inlet_of_an_upstream(method):
    a, b = Stream(), Stream()
    join = getattr(a, method)(b)
    L = join.sink_to_list()
    join.update(1, who=a)
    join.update(2, who=b)
    assert L == [(1, 2)]
    for who in (None, Stream()):
        with pytest.raises(ValueError, match="`who` is one of the node's upstreams, not "):
            join.update(3, who=who)
    join.update(4, who=b)
    join.update(3, who=a)
    assert L[-1] == (3, 4)


def test_a_source_without_a_run_says_what_it_lacks(caplog):
    class Empty(Source):
        pass

    clock = VirtualClock()
    source = Empty(loop=clock, start=True)
    clock.advance("1s")
    assert source.stopped
    assert "Empty defines neither `run`" in caplog.text
