"""Node attributes: assignments take effect, as in streamz, and held elements are readable."""

from __future__ import annotations

import gc
import operator
import weakref

import pytest

from support import until
from thalweg import Stream, VirtualClock
from thalweg.tasks import Client


async def tripled(x):
    return 3 * x


#: Builder, assignments, elements before and after, and the output of streamz.
CASES = {
    "partition.n, more": (lambda s: s.partition(2), {"n": 3}, [1], [2, 3], [(1, 2, 3)]),
    "partition.n, fewer": (lambda s: s.partition(3), {"n": 2}, [1], [2, 3], [(1, 2)]),
    "partition._key": (lambda s: s.partition(2, key=lambda x: 0), {"_key": lambda x: x % 2}, [], [1, 2, 3], [(1, 3)]),
    "partition_unique.n": (lambda s: s.partition_unique(3), {"n": 2}, [1], [1, 2], [(1, 2)]),
    "partition_unique.key": (
        lambda s: s.partition_unique(2),
        {"key": lambda x: x % 2},
        [],
        [1, 3, 2],
        [(1, 2)],
    ),
    "sliding_window.n, fewer": (lambda s: s.sliding_window(3, False), {"n": 2}, [1, 2, 3], [4], [(1, 2, 3), (3, 4)]),
    "sliding_window.n, more": (lambda s: s.sliding_window(2), {"n": 3}, [1, 2], [3], [(1,), (1, 2), (1, 2, 3)]),
    "sliding_window.partial": (lambda s: s.sliding_window(2), {"partial": False}, [], [1, 2], [(1, 2)]),
    "unique.maxsize": (lambda s: s.unique(), {"maxsize": 1}, [1], [2, 1], [1, 2, 1]),
    "unique.key": (lambda s: s.unique(), {"key": lambda x: x % 2}, [], [1, 2, 3], [1, 2]),
    "slice.step": (lambda s: s.slice(), {"step": 2}, [0], [1, 2, 3], [0, 2]),
    "slice.end": (lambda s: s.slice(), {"end": 2}, [0], [1, 2, 3], [0, 1]),
    "slice.star": (lambda s: s.slice(), {"star": 2}, [0], [1, 2, 3], [0, 2, 3]),
    "buffer.n": (lambda s: s.buffer(1), {"n": 3}, [0], [1, 2], [0, 1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_assigned_attribute_applies_to_the_next_element(case):
    build, assigned, before, after, expected = CASES[case]
    source = Stream()
    node = build(source)
    L = node.sink_to_list()
    source.emit_many(before)
    for name, value in assigned.items():
        setattr(node, name, value)
        assert getattr(node, name) == value
    source.emit_many(after)
    source.counters()
    if case.startswith("buffer"):
        source.drain()
    assert L == expected


@pytest.mark.parametrize("name", ["delay", "rate_limit", "timed_window", "shift", "sample"])
def test_a_new_interval_applies_to_later_elements(name):
    clock = VirtualClock()
    source = Stream(loop=clock, asynchronous=True)
    node = getattr(source, name)("10s")
    L = node.sink_to_list()
    waiting = [source.emit(x) for x in (1, 2)]
    clock.advance("20s")
    count = len(L)
    node.interval = "1s"
    assert node.interval == 1
    waiting += [source.emit(x) for x in (3, 4)]
    clock.advance("10s")
    before = len(L)
    waiting += [source.emit(x) for x in (5, 6)]
    clock.advance("3s")
    assert len(L) > before >= count
    del waiting


@pytest.mark.parametrize("name", ["debounce", "sample", "timed_window", "timed_window_unique"])
def test_later_elements_do_not_wait_for_the_interval_before(name):
    clock = VirtualClock()
    source = Stream(loop=clock)
    node = getattr(source, name)("1h")
    L = node.sink_to_list()
    source.emit(1)
    node.interval = "1s"
    source.emit(2)
    clock.advance("1s")
    assert len(L) == 1


def test_a_new_timeout_applies_to_open_groups_too():
    clock = VirtualClock()
    source = Stream(loop=clock)
    groups = source.partition(5, timeout="1h", key=lambda x: x)
    L = groups.sink_to_list()
    source.emit(1)
    groups._timeout = "1s"
    source.emit(2)
    clock.advance("1s")
    assert L == [(1,), (2,)]


def test_map_async_continues_with_a_new_function():
    async def doubled(x):
        return 2 * x

    clock = VirtualClock()
    source = Stream(loop=clock)
    node = source.map_async(doubled)
    L = node.sink_to_list()
    source.emit(1)
    clock.advance("1s")
    node.func, node.parallelism = tripled, 3
    source.emit(1)
    clock.advance("1s")
    assert L == [2, 3]
    with pytest.raises(TypeError, match="map_async: `func` is a function, not 3"):
        node.func = 3
    assert node.func is tripled


def test_a_wrong_value_is_refused_and_changes_nothing():
    source = Stream()
    groups = source.partition(2)
    L = groups.sink_to_list()
    with pytest.raises(ValueError, match="partition: `n` is at least one, not 0"):
        groups.n = 0
    with pytest.raises(TypeError, match="partition: `n` is a whole number, not 'two'"):
        groups.n = "two"
    assert groups.n == 2
    unique = source.partition_unique(2)
    with pytest.raises(ValueError, match="best"):
        unique.keep = "best"
    assert unique.keep == "first"
    source.emit_many([1, 2])
    assert L == [(1, 2)]


def test_a_function_may_change_a_node_upstream_of_it():
    source = Stream()
    groups = source.partition(1)
    L = groups.map(lambda group: (setattr(groups, "n", 2), group)[1]).sink_to_list()
    source.emit_many([1, 2, 3])
    source.emit_many([4, 5])
    assert [x for group in L for x in group][:3] == [1, 2, 3]
    assert groups.n == 2
    assert len(L[-1]) == 2


def test_read_only_attributes_raise():
    partition = Stream().partition(2, key=len)
    with pytest.raises(ValueError, match="partition"):
        partition._key = None
    with pytest.raises(ValueError, match="partition"):
        partition._timeout = 1
    assert partition._key is len
    assert partition._timeout is None


def test_waiting_elements_are_readable():
    source, other = Stream(), Stream()
    pairs, latest, lossless = source.zip(other, "literal"), source.combine_latest(other), source.zip_latest(other)
    for node in (pairs, latest, lossless):
        node.sink(print)
    source.emit_many([1, 2])
    assert pairs.buffers == {source: [1, 2], other: []}
    assert pairs.literals == [(2, "literal")]
    assert (latest.last, latest.missing) == ([2, None], {other})
    assert (lossless.lossless_buffer, lossless.missing) == ([1, 2], {other})
    assert latest.emit_on == (source, other)


def test_emit_on_can_be_assigned():
    source, other = Stream(), Stream()
    node = source.combine_latest(other)
    L = node.sink_to_list()
    node.emit_on = [source]
    source.emit(1)
    other.emit(2)
    source.emit(3)
    assert L == [(3, 2)]
    with pytest.raises(ValueError, match="which is not combined"):
        node.emit_on = Stream()
    node.emit_on = None
    other.emit(4)
    assert L == [(3, 2), (3, 4)]


def test_kept_elements_are_readable():
    source = Stream()
    unique, collected = source.unique(maxsize=2), source.collect()
    L = unique.sink_to_list()
    source.emit_many([1, 2, 3])
    assert (list(unique.seen), 1 in unique.seen, 3 in unique.seen) == ([2, 3], False, True)
    assert collected.cache == [1, 2, 3]
    unique.seen.clear()
    source.emit(3)
    assert (L, unique.seen) == ([1, 2, 3, 3], [3])


@pytest.mark.parametrize("compiled", ["0", "1"])
def test_a_state_can_be_read_and_assigned(compiled, monkeypatch):
    monkeypatch.setenv("THALWEG_COMPILE", compiled)
    source = Stream()
    total, first = source.accumulate(lambda a, b: a + b, start=0), source.accumulate(lambda a, b: a + b)
    L, M = total.sink_to_list(), first.sink_to_list()
    assert (total.state, first.state) == (0, "--no-default--")
    source.emit_many([1, 2])
    assert (total.state, first.state) == (3, 3)
    total.state = first.state = 100
    source.emit(1)
    total.reset()
    source.emit(5)
    assert (L, M) == ([1, 3, 101, 5], [1, 3, 101, 106])


def test_the_state_of_an_async_function_can_be_read_and_assigned():
    async def add(a, b):
        return a + b

    clock = VirtualClock()
    source = Stream(loop=clock)
    total = source.accumulate(add, start=0)
    L = total.sink_to_list()
    source.emit(1)
    total.state += 10
    source.emit(1)
    assert (L, total.state) == ([1, 12], 12)


def test_elements_waiting_for_a_timer_are_readable():
    clock = VirtualClock()
    source = Stream(loop=clock, asynchronous=True)
    delayed = source.delay("10s")
    buffered = source.buffer(5)
    limited = buffered.rate_limit("10s")
    limited.sink(print)
    delayed.sink(print)
    emitted = [source.emit(x) for x in range(5)]
    clock.advance("1s")
    assert list(delayed.queue) == [1, 2, 3, 4]
    queue = buffered.queue
    assert (queue.qsize(), queue.maxsize, queue.full(), queue.empty()) == (3, 5, False, False)
    assert list(queue) == [2, 3, 4]
    del emitted


def test_local_nodes_between_scatter_and_gather_can_be_changed():
    source = Stream()
    groups = source.scatter(backend="thread").partition(2)
    L = groups.gather().sink_to_list()
    groups.n = 3
    source.emit_many([1, 2, 3])
    source.drain()
    assert L == [(1, 2, 3)]
    buffer = Stream().scatter(backend="thread").buffer(2)
    with pytest.raises(AttributeError, match="once the node is in its pipeline"):
        buffer.n = 3
    assert buffer.n == 2


def test_streamz_does_the_same():
    streamz = pytest.importorskip("streamz")
    for case, (build, assigned, before, after, expected) in CASES.items():
        if case in ("buffer.n", "sliding_window.n, fewer", "sliding_window.n, more", "slice.star", "unique.maxsize"):
            # streamz reads these attributes partially, or only when the node is built.
            continue
        source = streamz.Stream()
        node = build(source)
        L = node.sink_to_list()
        for x in before:
            source.emit(x)
        for name, value in assigned.items():
            setattr(node, name, value)
        for x in after:
            source.emit(x)
        assert L == expected, case


async def squared(x):
    return x * x


#: On an engine: builder, attribute, value, elements before and after, and the output of streamz.
ON_ENGINES = {
    "map.func": (lambda s: s.map(abs), "func", str, range(9), range(3), [*range(9), "0", "1", "2"]),
    "map.func, asynchronous": (lambda s: s.map(abs), "func", squared, [-1], [3], [1, 9]),
    "map.args": (lambda s: s.map(pow, 2), "args", (3,), [2], [2], [4, 8]),
    "starmap.func": (lambda s: s.starmap(pow), "func", max, [(2, 3)], [(2, 3)], [8, 3]),
    "filter.predicate": (lambda s: s.filter(abs), "predicate", operator.not_, [0, -1], [0, 1], [-1, 0]),
    "pluck.pick": (lambda s: s.pluck(0), "pick", [1, 0], ["ab"], ["ab"], ["a", ("b", "a")]),
    "accumulate.func": (lambda s: s.accumulate(operator.add), "func", operator.mul, [1, 2], [4], [1, 3, 12]),
}


@pytest.mark.parametrize("is_process", [False, True])
@pytest.mark.parametrize("case", ON_ENGINES)
def test_an_assigned_attribute_applies_to_the_next_element_on_an_engine(case, is_process):
    build, name, value, before, after, expected = ON_ENGINES[case]
    with Client(processes=is_process, n_workers=1) as client, Stream() as source:
        node = build(source.scatter(client))
        # Elements wait there until the value has been assigned.
        L = node.buffer(20).gather().sink_to_list()
        source.emit_many(before)
        if case.startswith("accumulate"):
            # Its function is that of the time of the call.
            until(lambda: len(L) == len(before))
        setattr(node, name, value)
        assert getattr(node, name) == value
        source.emit_many(after)
        source.drain()
    assert L == expected


@pytest.mark.parametrize(("name", "attribute"), [("map", "func"), ("filter", "predicate"), ("accumulate", "func")])
def test_a_wrong_function_is_refused_on_an_engine(name, attribute):
    node = getattr(Stream().scatter(backend="thread"), name)(abs)
    with pytest.raises(TypeError, match=f"{name}: `{attribute}`"):
        setattr(node, attribute, 3)
    assert getattr(node, attribute) is abs


@pytest.mark.parametrize(("name", "attribute"), [("map", "func"), ("filter", "predicate"), ("accumulate", "func")])
def test_assigned_functions_on_an_engine_are_collected_with_their_node(name, attribute):
    class Function:
        def __call__(self, *args):
            return None

    node = getattr(Stream().scatter(backend="thread"), name)(Function())
    functions = [weakref.ref(getattr(node, attribute))]
    setattr(node, attribute, Function())
    getattr(node, attribute).node = node
    functions.append(weakref.ref(getattr(node, attribute)))
    del node
    gc.collect()
    assert [function() for function in functions] == [None, None]
