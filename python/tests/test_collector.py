"""Lifetime of nodes: unreachable pipelines are freed."""

from __future__ import annotations

import gc
import random
import types
import weakref

import pytest

import thalweg
from thalweg import Stream, VirtualClock, combine_latest, union, zip, zip_latest


class Thing:
    """An element that supports weak references and holds others."""

    def __init__(self, held=None):
        self.held = held


def watch(thing):
    """Return a weak reference, dropping the test's own reference to `thing`."""
    return weakref.ref(thing)


# Reference counting alone.


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
class TestWithoutTheCollector:
    def test_nodes_support_weak_references(self):
        source = Stream()
        assert weakref.ref(source)() is source

    def test_an_unreferenced_node_without_a_sink_is_freed_at_once(self):
        source = Stream()
        node = source.map(str)
        reference = weakref.ref(node)
        assert list(source.downstreams) == [node]
        del node
        assert reference() is None
        assert list(source.downstreams) == []

    def test_a_whole_branch_without_a_sink_is_freed_at_once(self):
        calls = []
        source = Stream()
        source.map(calls.append).partition(2).flatten()
        source.emit(1)
        assert calls == []

    def test_a_branch_with_a_sink_stays(self):
        source = Stream()
        L = []
        source.map(str).sink(L.append)
        gc.collect()
        source.emit(1)
        assert L == ["1"]

    def test_a_node_keeps_its_upstreams_alive(self):
        node = Stream().map(str).map(str)
        above = weakref.ref(node.upstreams[0].upstreams[0])
        assert above() is not None
        del node
        assert above() is None

    def test_a_destroyed_sink_is_freed(self):
        source = Stream()
        sink = source.sink(print)
        reference = weakref.ref(sink)
        sink.destroy()
        del sink
        assert reference() is None
        assert list(source.downstreams) == []

    def test_an_element_is_freed_when_the_last_node_drops_it(self):
        source = Stream()
        node = source.sliding_window(2)
        things = [Thing(), Thing(), Thing()]
        references = [weakref.ref(thing) for thing in things]
        for thing in things:
            source.emit(thing)
        del thing
        things.clear()
        node.emit(None)
        assert [reference() is None for reference in references] == [True, False, False]

    def test_a_window_is_freed_with_its_node(self):
        source = Stream()
        node = source.partition(10)
        thing = Thing()
        source.emit(thing)
        source.emit(None)
        reference = watch(thing)
        del thing
        assert reference() is not None
        del node
        assert reference() is None


# Cycles.


def is_freed(build, *args):
    """Whether the pipeline returned by `build` is freed; calling `build` here keeps its closures intact."""

    def references():
        made = build(*args)
        made = made if isinstance(made, tuple) else (made,)
        return [weakref.ref(one) for one in made]

    made = references()
    gc.collect()
    return [reference() for reference in made] == [None] * len(made)


def test_a_dropped_pipeline_is_freed():
    def build():
        source = Stream()
        source.map(str).filter(None).sink(print)
        return source

    assert is_freed(build)


def test_a_dropped_pipeline_frees_its_functions():
    def build():
        def function(x):
            return x

        source = Stream()
        source.map(function).filter(function).accumulate(function).sink(function)
        return function, source

    assert is_freed(build)


CLOSURES = {
    "map": lambda source, f: source.map(f),
    "map's arguments": lambda source, f: source.map(print, f),
    "map's keyword arguments": lambda source, f: source.map(print, end=f),
    "starmap": lambda source, f: source.starmap(f),
    "filter": lambda source, f: source.filter(f),
    "accumulate": lambda source, f: source.accumulate(f),
    "accumulate's start": lambda source, f: source.accumulate(max, f),
    "sink": lambda source, f: source.sink(f),
    "starsink": lambda source, f: source.starsink(f),
    "partition's key": lambda source, f: source.partition(2, key=f),
    "partition_unique's key": lambda source, f: source.partition_unique(2, key=f),
    "unique's key": lambda source, f: source.unique(key=f),
    "zip's literal": lambda source, f: source.zip(f),
}


@pytest.mark.parametrize("build", CLOSURES.values(), ids=CLOSURES.keys())
def test_a_cycle_through_a_function(build):
    def make():
        source = Stream()

        def function(*args, **kwargs):
            return source, node

        node = build(source, function)
        return source, node, function

    assert is_freed(make)


ON_A_CLOCK = {
    "map_async": lambda source, f: source.map_async(f),
    "async map": lambda source, f: source.map(f),
    "async filter": lambda source, f: source.filter(f),
    "async accumulate": lambda source, f: source.accumulate(f),
    "async accumulate's start": lambda source, f: source.accumulate(f, f),
    "async sink": lambda source, f: source.sink(f),
    "timed_window_unique's key": lambda source, f: source.timed_window_unique(1, key=lambda x: f),
}


@pytest.mark.parametrize("build", ON_A_CLOCK.values(), ids=ON_A_CLOCK.keys())
def test_a_cycle_through_a_function_on_an_event_loop(build):
    def make():
        source = Stream(loop=VirtualClock())

        async def function(*args, **kwargs):
            return source, node

        node = build(source, function)
        return source, node, function

    assert is_freed(make)


def test_a_cycle_through_a_bound_method_of_another_pipeline():
    def build():
        a, b = Stream(), Stream()
        a.map(str).sink(b.emit)
        b.map(str).sink(a.emit)
        return a, b

    assert is_freed(build)


def test_a_feedback_loop():
    def build():
        source = Stream()
        source.map(lambda x: x - 1).filter(lambda x: x > 0).connect(source)
        source.emit(3)
        return source

    assert is_freed(build)


def test_a_subclass_that_holds_its_pipeline():
    class holding(Stream):
        def __init__(self, upstream, **kwargs):
            self.held = [upstream, self]
            super().__init__(upstream, **kwargs)

        def update(self, x, who=None, metadata=None):
            self.last = (x, who)
            return self._emit(self)

    def build():
        source = Stream()
        node = holding(source)
        L = node.map(str).sink_to_list()
        source.emit(source)
        assert len(L) == 1
        return source, node

    assert is_freed(build)


def test_a_subclass_of_an_operator_that_holds_its_pipeline():
    class gathering(thalweg.zip):
        def update(self, x, who=None, metadata=None):
            return super().update((x, self), who, metadata)

    def build():
        source = Stream()
        node = gathering(source, Stream())
        node.sink(lambda x: source)
        source.emit(Thing(source))
        assert any(isinstance(x, tuple) for x in gc.get_referents(node))
        return source, node

    assert is_freed(build)


def test_the_current_value_in_a_cycle():
    def build():
        source = Stream()
        node = source.map(Thing)
        source.emit(source)
        node.emit(node)
        return source, node

    assert is_freed(build)


def test_an_error_stream_in_a_cycle():
    def build():
        def fail(x):
            raise ValueError(source)

        source, errors = Stream(), Stream()
        failures = errors.sink_to_list()
        source.sink(fail, on_error=errors)
        source.emit(source)
        assert len(failures) == 1
        return source, errors, fail

    assert is_freed(build)


# Cycles through waiting elements.


WAITING = {
    "partition": lambda source: source.partition(3),
    "partition by key": lambda source: source.partition(3, key=lambda x: x),
    "partition by a custom key": lambda source: source.partition(3, key=Thing),
    "partition with a timeout": lambda source: source.partition(3, timeout=100),
    "partition_unique": lambda source: source.partition_unique(3),
    "sliding_window": lambda source: source.sliding_window(3),
    "collect": lambda source: source.collect(),
    "unique": lambda source: source.unique(),
    "unique by comparison": lambda source: source.unique(hashable=False),
    "accumulate": lambda source: source.accumulate(lambda state, x: x),
    "accumulate from a start": lambda source: source.accumulate(lambda state, x: x, 0),
    "zip": lambda source: source.zip(Stream()),
    "zip_latest": lambda source: source.zip_latest(Stream()),
    "zip_latest of the other": lambda source: Stream().zip_latest(source),
    "combine_latest": lambda source: source.combine_latest(Stream()),
    "buffer": lambda source: source.buffer(10),
    "latest": lambda source: source.latest(),
    "delay": lambda source: source.delay(100),
    "shift": lambda source: source.shift(100),
    "rate_limit": lambda source: source.rate_limit(100),
    "debounce": lambda source: source.debounce(100),
    "sample": lambda source: source.sample(100),
    "timed_window": lambda source: source.timed_window(100),
    "timed_window_unique": lambda source: source.timed_window_unique(100),
}


RESTING = {
    name: build for name, build in WAITING.items() if name not in ("buffer", "latest", "delay", "shift", "rate_limit")
}


@pytest.mark.parametrize("build", RESTING.values(), ids=RESTING.keys())
def test_elements_waiting_in_a_cycle(build):
    clock = VirtualClock()
    source = Stream(loop=clock)
    node = build(source)
    for _ in range(2):
        source.emit(Thing([source, node]), asynchronous=True)
    reference = weakref.ref(node)
    # The engine shows each held reference once; states are in lists, and chains in generators.
    shown = gc.get_referents(node)
    shown += gc.get_referents(*[x for x in shown if isinstance(x, (list, types.GeneratorType))])
    assert any(isinstance(x, Thing) for x in shown)
    del node, source, shown
    gc.collect()
    assert reference() is None
    del clock


MOVING = {
    name: build for name, build in WAITING.items() if name in ("buffer", "latest", "delay", "shift", "rate_limit")
}


@pytest.mark.parametrize("build", MOVING.values(), ids=MOVING.keys())
def test_elements_in_flight_arrive_before_the_pipeline_is_freed(build):
    clock = VirtualClock()

    def start():
        def see(x):
            seen.append(x is not None and source is not None)

        source = Stream(loop=clock)
        node = build(source)
        node.map(lambda x: (x, source)).sink(see)
        for _ in range(2):
            source.emit(Thing([source, node]), asynchronous=True)
        return weakref.ref(node), weakref.ref(see)

    seen = []
    references = start()
    gc.collect()
    clock.advance(1000)
    assert seen
    assert all(seen)
    gc.collect()
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("build", WAITING.values(), ids=WAITING.keys())
def test_waiting_elements_of_a_live_pipeline_are_not_collected(build):
    clock = VirtualClock()
    source = Stream(loop=clock)
    node = build(source)
    references = []
    for _ in range(2):
        thing = Thing([source, node])
        references.append(weakref.ref(thing))
        source.emit(thing, asynchronous=True)
    del thing
    for _ in range(3):
        gc.collect()
    assert references[-1]().held == [source, node]


@pytest.mark.parametrize("join", [zip, combine_latest, union, zip_latest])
def test_joins_of_many_streams_in_cycles(join):
    def build():
        sources = [Stream() for _ in range(5)]
        node = join(*sources)
        node.sink(lambda x: sources)
        for source in sources[:4]:
            source.emit(Thing(sources))
        return (*sources, node)

    assert is_freed(build)


# Under stress.


def grow(randomness):
    """A random pipeline with elements in flight, much of it in cycles."""
    clock = VirtualClock()
    source = Stream(loop=clock)
    nodes = [source]
    builds = list(WAITING.values())
    for _ in range(randomness.randrange(1, 8)):
        above = randomness.choice(nodes)
        kind = randomness.random()
        if kind < 0.4:
            nodes.append(randomness.choice(builds)(above))
        elif kind < 0.6:
            nodes.append(above.map(lambda x: (x, nodes)[0]))
        elif kind < 0.8:
            nodes.append(above.union(*randomness.sample(nodes, min(2, len(nodes)))))
        else:
            above.sink(lambda x: nodes)
    for _ in range(5):
        source.emit(Thing(list(nodes)), asynchronous=True)
    clock.advance(randomness.choice([0, 1, 1000]))
    # Elements in flight still arrive after the pipeline is dropped.
    return clock


def test_random_pipelines_are_freed():
    randomness = random.Random(17)

    def rounds(n):
        for _ in range(n):
            clock = grow(randomness)
            gc.collect(0)
            clock.advance(100_000)
            clock.asyncio_loop.close()
        gc.collect()
        return len(gc.get_objects())

    rounds(20)
    before = rounds(20)
    # Up to 256 compiled functions are kept, of four objects each; the pipelines have ten times as many.
    assert rounds(300) < before + 1500


def test_building_and_dropping_pipelines_does_not_leak(python):
    script = """if True:
    import gc, resource
    from thalweg import Stream

    def once():
        source = Stream()
        L = source.map(lambda x: (x, source)).partition(3).flatten().sink_to_list()
        source.emit_many(range(10))

    def rounds(n):
        for _ in range(n):
            once()
        gc.collect()
        return len(gc.get_objects()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    rounds(2000)
    objects, memory = rounds(2000)
    more_objects, more_memory = rounds(8000)
    print(more_objects - objects, more_memory - memory)
    """
    ended = python("-c", script)
    assert ended.returncode == 0, ended.stderr
    objects, kilobytes = map(int, ended.stdout.split())
    assert objects < 50
    assert kilobytes < 4000


STRESS = """if True:
    import contextlib, gc, os, random, threading
    gc.set_threshold(1)
    from thalweg import Stream, UndeliveredError

    class Thing:
        def __init__(self, held): self.held = held

    def work(seed):
        randomness = random.Random(seed)
        for _ in range(100):
            source = Stream()
            a = source.map(lambda x: Thing([x, source])).partition(3)
            b = source.zip(a).combine_latest(source, a).sliding_window(4)
            c = source.union(a, b).unique().accumulate(lambda s, x: Thing(x))
            L = c.partition(2, key=lambda x: id(x) % 3).flatten().sink_to_list()
            for x in range(25):
                source.emit(Thing([source]))
            source.emit_many(range(10))
            if randomness.random() < 0.5:
                # `zip` holds unpaired elements.
                with contextlib.suppress(UndeliveredError):
                    source.drain()

    shared = Stream()
    shared.map(lambda x: Thing([x, shared])).partition(5).sliding_window(3).sink(lambda x: len(x))
    def hammer():
        for x in range(3000):
            shared.emit(Thing([shared]))
    threads = [threading.Thread(target=target) for target in (lambda: work(1), hammer, hammer)]
    for thread in threads: thread.start()
    work(2)
    for thread in threads: thread.join()
    print("alive", flush=True)
    # Unpaired elements are left everywhere: skip the report.
    os._exit(0)
"""


@pytest.mark.parametrize("malloc", ["debug", "default"])
def test_collecting_while_threads_emit(malloc, python, monkeypatch):
    monkeypatch.setenv("PYTHONMALLOC", malloc)
    ended = python("-X", "dev", "-c", STRESS)
    assert ended.stdout == "alive\n", ended.stderr[-2000:]
    assert ended.returncode == 0
