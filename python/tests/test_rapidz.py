"""Programs written for rapidz get its names, arguments and defaults, even where streamz's differ."""

from __future__ import annotations

import inspect
import textwrap

import pytest

from thalweg import Stream as OurStream
from thalweg import VirtualClock
from thalweg.compat import rapidz
from thalweg.compat.rapidz import Stream


def collected(build, elements, **options):
    source = Stream(**options)
    L = build(source).sink_to_list()
    source.emit_many(elements)
    return L


#: Constructors of rapidz's modules `core` and `sources`, with their parameters.
SIGNATURES = {
    "sink": ["func"],
    "map": ["func"],
    "starmap": ["func"],
    "filter": ["predicate"],
    "accumulate": ["func", "start", "returns_state", "reset_stream"],
    "partition": ["n"],
    "sliding_window": ["n"],
    "timed_window": ["interval"],
    "delay": ["interval"],
    "rate_limit": ["interval"],
    "buffer": ["n"],
    "unique": ["history", "key"],
    "pluck": ["pick"],
    "collect": ["cache"],
    "starsink": ["func"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_have_the_positions_of_rapidz(name):
    from thalweg.compat.rapidz.dialect import DIALECT

    function = DIALECT.get(name) or getattr(rapidz.core, name)
    places = [
        each.name for each in inspect.signature(function).parameters.values() if each.kind == each.POSITIONAL_OR_KEYWORD
    ]
    assert places[1 : 1 + len(SIGNATURES[name])] == SIGNATURES[name]


@pytest.mark.parametrize(
    ("build", "elements", "expected"),
    [
        (lambda s: s.sliding_window(2), [0, 1, 2], [(0, 1), (1, 2)]),
        (lambda s: s.map(abs).filter(None).sliding_window(2), [1, -2, 3], [(1, 2), (2, 3)]),
        (lambda s: s.union(OurStream()).sliding_window(2), [1, 2], [(1, 2)]),
        (lambda s: rapidz.core.sliding_window(s, 2).sliding_window(2), [1, 2, 3], [((1, 2), (2, 3))]),
        (lambda s: s.sliding_window(2, return_partial=True), [1, 2], [(1,), (1, 2)]),
        (lambda s: s.scatter(backend="thread").sliding_window(2).gather(), [0, 1, 2], [(0, 1), (1, 2)]),
        (lambda s: s.scatter(backend="thread").map(abs).gather().sliding_window(2), [0, -1], [(0, 1)]),
        (lambda s: s.unique(), [{"a": 1}, {"a": 1}, 3, [3], 3, [3]], [{"a": 1}, 3, [3]]),
        (lambda s: s.unique(2), [1, 2, 1, 3, 1], [1, 2, 3, 1]),
        (lambda s: s.unique(history=1, key=len), ["a", "b", "cd"], ["a", "cd"]),
        (lambda s: rapidz.core.unique(s, 1), [1, 1, 2], [1, 2]),
        (lambda s: s.scatter(backend="thread").unique(1).gather(), [[1], [1], [2]], [[1], [2]]),
        (lambda s: s.accumulate(lambda a, b: a + b, 0, False, None), [1, 2], [1, 3]),
        (lambda s: s.zip("literal"), [1], [(1, "literal")]),
    ],
)  # fmt: skip
def test_defaults_are_those_of_rapidz(build, elements, expected):
    assert collected(build, elements) == expected


def test_thalweg_streams_keep_their_own_defaults():
    source = OurStream()
    L = source.sliding_window(2).sink_to_list()
    source.emit_many([1, 2])
    assert L == [(1,), (1, 2)]


def test_reset_stream_is_positional_in_accumulate():
    source, reset = Stream(), Stream()
    L = source.accumulate(lambda a, b: a + b, 0, False, reset).sink_to_list()
    source.emit_many([1, 1])
    reset.emit("anything")
    source.emit(1)
    assert L == [1, 2, 1]


def test_isinstance_checks_accept_every_stream():
    source = Stream()
    assert isinstance(source.map(abs), Stream)
    assert isinstance(OurStream(), Stream)
    assert issubclass(type(source.map(abs)), Stream)

    class Own(Stream):
        pass

    assert isinstance(Own(source), Own)
    assert not isinstance(source, Own)


@pytest.mark.parametrize("base", [Stream, OurStream])
def test_an_update_without_a_metadata_parameter_gets_none(base):
    class Joined(base):
        def __init__(self, *upstreams):
            self.last = {}
            super().__init__(upstreams=upstreams)

        def update(self, x, who=None):
            self.last[self.upstreams.index(who)] = x
            return self._emit(dict(self.last))

    class Passed(Joined):
        def update(self, x, who=None):
            return super().update((x,), who=who)

    a, b = base(), base()
    L = Passed(a, b).sink_to_list()
    a.emit(1)
    b.emit(2, metadata=[{"a": 1}])
    assert L == [{0: (1,)}, {0: (1,), 1: (2,)}]


def test_a_registered_function_is_a_method_of_every_node():
    @Stream.register_api()
    class repeated(Stream):
        def __init__(self, upstream, n=2, stream_name=None):
            self.n = n
            Stream.__init__(self, upstream, stream_name=stream_name)

        def update(self, x, who=None):
            return [each for _ in range(self.n) for each in self._emit(x) or []]

    assert collected(lambda s: s.map(abs).repeated(n=3), [-1]) == [1, 1, 1]
    assert collected(lambda s: s.map(abs).repeated().sliding_window(2), [-1]) == [(1, 1)]


def test_nodes_move_to_first_at_given_upstreams():
    source, other, order = Stream(), Stream(), []
    source.sink(lambda _: order.append("first"))
    other.sink(lambda _: order.append("of the other"))
    node = source.union(other)
    node.sink(lambda _: order.append("moved"))
    assert rapidz.move_to_first(node, [source]) is node
    source.emit(1)
    other.emit(1)
    assert order == ["moved", "first", "of the other", "moved"]
    with pytest.raises(TypeError, match="move_to_first: `f`: a stream, not 3"):
        rapidz.move_to_first(node, [3])


def test_pieces_are_linked_by_their_return_values():
    def a(x, **kwargs):
        y = x + 1
        return locals()

    def b(y, **kwargs):
        assert y == 2

    assert rapidz.link(a, b, x=1, z=3) == {"x": 1, "y": 2, "z": 3}


def test_periodic_callbacks_use_milliseconds():
    clock = VirtualClock()
    source = rapidz.PeriodicCallback(lambda: 1, 500, asynchronous=None, loop=clock, jitter=0)
    L = source.sliding_window(2).sink_to_list()
    clock.advance("1.2s")
    assert L == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("element", "result"), [(1, (1, 10, 0)), ((1,), (1, 10, 0)), ([1], (1, 10, 0)), ("ab", ("ab", 10, 0))]
)
def test_elements_of_starmap_on_an_engine_need_not_be_sequences(element, result):
    source = Stream()
    L = source.scatter(backend="thread").starmap(lambda *args, z: (*args, z), 10, z=0).gather().sink_to_list()
    source.emit(element)
    assert L == [result]


def test_programs_find_modules_of_rapidz(python):
    program = """
        import thalweg
        thalweg.install_as("rapidz")
        import rapidz, rapidz.link
        from rapidz import *
        from rapidz.link import link
        from rapidz.clients import DEFAULT_BACKENDS, executor_to_client, result_maybe, thread_default_client
        from rapidz.parallel import ParallelStream, buffer, combine_latest, map, zip
        from rapidz.utils import M
        from rapidz.utils_test import gen_test, inc, tmpfile, wait_for
        from rapidz.core import Stream as S, _truthy, args_kwargs
        from rapidz.sources import filenames, from_textfile
        from rapidz.graph import build_node_set
        from rapidz.orderedweakset import OrderedWeakrefSet
        from rapidz.batch import Batch
        from rapidz.collection import Streaming
        import rapidz.dask
        assert S is Stream is rapidz.Stream
        assert rapidz.link(lambda **names: {"a": 1}) == link(lambda **names: {"a": 1}) == {"a": 1}
        names = {"visualize", "create_graph", "build_node_set", "scatter", "DaskStream"}
        assert names <= set(dir(rapidz)) & set(globals())
        source = Stream.from_textfile(__import__("io").StringIO("a"), 0.1, "\\n", False)
        assert source.stopped and Stream.filenames("*.none", 0.1, False).stopped
        L = []
        source = Stream()
        source.scatter(backend=thread_default_client).map(abs).gather().sink(L.append)
        source.emit(-1)
        assert L == [1], L
        """
    done = python("-c", textwrap.dedent(program))
    assert done.returncode == 0, done.stderr
