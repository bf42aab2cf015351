"""When an element is done: its counter drops to zero once, after the last sink, and not before."""

from __future__ import annotations

import asyncio
import gc

import pytest

from thalweg import RefCounter, Stream, VirtualClock


class Counters:
    """Reference counters for elements, and the order of their callbacks."""

    def __init__(self):
        self.done = []
        self.all = {}

    def metadata(self, x):
        counter = self.all[x] = RefCounter(cb=lambda: self.done.append(x))
        return [{"ref": counter}]

    def emit(self, source, *elements, **kwargs):
        for x in elements:
            source.emit(x, metadata=self.metadata(x), **kwargs)

    def counts(self):
        return [counter.count for counter in self.all.values()]


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def clock():
    return VirtualClock()


async def slowly(x):
    await asyncio.sleep(10)
    return x


# Cases that streamz gets wrong.


def test_map_async_releases_once_when_its_call_has_ended(clock, counters):
    source = Stream(loop=clock)
    L = source.map_async(slowly).sink_to_list()
    counters.emit(source, "a", asynchronous=True)
    clock.advance(9)
    assert (L, counters.done) == ([], [])
    clock.advance(2)
    assert (L, counters.done) == (["a"], ["a"])
    assert counters.counts() == [0]


def test_rate_limit_releases_after_delivery(clock, counters):
    source = Stream(loop=clock)
    L = source.rate_limit(10).sink_to_list()
    counters.emit(source, "a", "b", asynchronous=True)
    assert (L, counters.done) == (["a"], ["a"])
    clock.advance(10)
    assert (L, counters.done) == (["a", "b"], ["a", "b"])


@pytest.mark.parametrize("kind", ["async def", "awaitable", "subclass"])
def test_async_sinks_release_when_they_have_finished(kind, clock, counters):
    source = Stream(loop=clock)
    if kind == "async def":
        source.sink(slowly)
    elif kind == "awaitable":
        source.sink(lambda x: slowly(x))
    else:

        class sinking(Stream):
            def update(self, x, who=None, metadata=None):
                return slowly(x)

        node = sinking(source)
        assert node is not None
    counters.emit(source, "a", asynchronous=True)
    clock.advance(9)
    assert counters.done == []
    clock.advance(2)
    assert counters.done == ["a"]


def test_partition_unique_releases(counters):
    source = Stream()
    L = source.partition_unique(2).sink_to_list()
    source.emit("a", metadata=counters.metadata(1))
    source.emit("a", metadata=counters.metadata(2))
    assert counters.done == [2]
    source.emit("b", metadata=counters.metadata(3))
    assert L == [("a", "b")]
    assert sorted(counters.done) == [1, 2, 3]


def test_partition_unique_that_keeps_the_last_releases_the_first(counters):
    source = Stream()
    L = source.partition_unique(2, keep="last").sink_to_list()
    for n, x in enumerate("aab"):
        source.emit(x, metadata=counters.metadata(n))
    assert L == [("a", "b")]
    assert counters.done[0] == 0
    assert sorted(counters.done) == [0, 1, 2]


@pytest.mark.parametrize("keep", ["first", "last"])
def test_timed_window_unique_releases_duplicates(keep, clock, counters):
    source = Stream(loop=clock)
    L = source.timed_window_unique(10, keep=keep).sink_to_list()
    for n, x in enumerate("aab"):
        source.emit(x, metadata=counters.metadata(n))
    assert counters.done == [1 if keep == "first" else 0]
    clock.advance(10)
    assert L == [("a", "b")]
    assert sorted(counters.done) == [0, 1, 2]


def test_without_a_downstream_an_element_is_acknowledged_at_once(counters):
    source = Stream()
    counters.emit(source, "a")
    node = source.map(str)
    counters.emit(source, "b")
    assert node is not None
    assert counters.done == ["a", "b"]


def test_a_failed_element_releases_its_counter_but_is_not_acknowledged(counters):
    source = Stream()
    source.sink(lambda x: 1 / x)
    with pytest.raises(ZeroDivisionError):
        counters.emit(source, 0)
    assert (counters.done, counters.counts()) == ([], [0])
    counters.emit(source, 1)
    assert counters.done == [1]


def test_a_skipped_element_is_acknowledged(counters):
    source = Stream()
    source.sink(lambda x: 1 / x, on_error="skip")
    counters.emit(source, 0)
    assert counters.done == [0]


def test_an_element_routed_to_an_error_stream_is_acknowledged_afterwards(clock, counters):
    source, errors = Stream(loop=clock), Stream(loop=clock)
    errors.shift(10).sink(print)
    source.sink(lambda x: 1 / x, on_error=errors)
    counters.emit(source, 0)
    assert counters.done == []
    clock.advance(10)
    assert counters.done == [0]


def test_a_failed_call_of_map_async_releases_its_counter(clock, counters):
    async def fail(x):
        await asyncio.sleep(1)
        raise ValueError(x)

    source = Stream(loop=clock)
    source.map_async(fail).sink(print)
    counters.emit(source, "a")
    clock.advance(5)
    assert counters.counts() == [0]


def test_the_callback_is_called_once_however_many_branches_there_are(counters):
    source = Stream()
    for _ in range(5):
        source.map(str).sink_to_list()
    source.flatten().sink_to_list()
    counters.emit(source, "abc")
    assert counters.done == ["abc"]


def test_a_counter_that_is_retained_by_hand():
    done = []
    counter = RefCounter(cb=lambda: done.append(1))
    counter.retain(2)
    source = Stream()
    source.emit("a", metadata=[{"ref": counter}])
    assert (counter.count, done) == (2, [])
    counter.release()
    counter.release()
    assert (counter.count, done) == (0, [1])


def test_an_initial_count():
    counter = RefCounter(initial=1)
    Stream().emit(1, metadata=[{"ref": counter}])
    assert counter.count == 1


def test_a_callback_may_emit():
    source, L = Stream(), []
    source.sink(L.append)
    source.emit(1, metadata=[{"ref": RefCounter(cb=lambda: source.emit(2))}])
    assert L == [1, 2]


# Every operator: held elements are not done, and all are done exactly once at the end.


async def latter(a, b):
    return await slowly(b)


OPERATORS = {
    "map": lambda s: s.map(str),
    "async map": lambda s: s.map(slowly),
    "map_async": lambda s: s.map_async(slowly),
    "starmap": lambda s: s.map(lambda x: (x,)).starmap(str),
    "filter": lambda s: s.filter(lambda x: x % 2),
    "async filter": lambda s: s.filter(slowly),
    "accumulate": lambda s: s.accumulate(lambda a, b: b),
    "async accumulate": lambda s: s.accumulate(latter),
    "slice": lambda s: s.slice(1, 5, 2),
    "partition": lambda s: s.partition(3),
    "partition by key": lambda s: s.partition(2, key=lambda x: x % 2),
    "partition with a timeout": lambda s: s.partition(3, timeout=1),
    "partition_unique": lambda s: s.partition_unique(2, key=lambda x: x % 3),
    "sliding_window": lambda s: s.sliding_window(2),
    "full sliding_window": lambda s: s.sliding_window(3, return_partial=False),
    "timed_window": lambda s: s.timed_window(5),
    "timed_window_unique": lambda s: s.timed_window_unique(5, key=lambda x: x % 3),
    "delay": lambda s: s.delay(1),
    "shift": lambda s: s.shift(1),
    "debounce": lambda s: s.debounce(1),
    "throttle": lambda s: s.throttle(1),
    "sample": lambda s: s.sample(1),
    "rate_limit": lambda s: s.rate_limit(1),
    "buffer": lambda s: s.buffer(3),
    "latest": lambda s: s.latest(),
    "zip": lambda s: s.zip(s.map(str)),
    "combine_latest": lambda s: s.combine_latest(s.map(str)),
    "zip_latest": lambda s: s.zip_latest(s.map(str)),
    "union": lambda s: s.union(s.map(str)),
    "flatten": lambda s: s.map(lambda x: [x] * x).flatten(),
    "pluck": lambda s: s.map(lambda x: [x]).pluck(0),
    "unique": lambda s: s.unique(key=lambda x: x % 3),
    "chain": lambda s: s.partition(2).flatten().buffer(2).rate_limit(1).timed_window(3).flatten().map(slowly),
}


@pytest.mark.parametrize("build", OPERATORS.values(), ids=OPERATORS.keys())
def test_every_operator_releases_everything_exactly_once(build, clock, counters):
    source = Stream(loop=clock)
    source_sink = build(source)
    source_sink.sink(lambda x: None)
    counters.emit(source, *range(7))
    clock.advance(100)
    source.drain()
    del source_sink, source
    gc.collect()
    assert sorted(counters.done) == list(range(7))
    assert counters.counts() == [0] * 7


def test_collect_holds_until_it_is_flushed(counters):
    source = Stream()
    node = source.collect()
    node.sink_to_list()
    counters.emit(source, 1, 2)
    assert counters.done == []
    node.flush()
    assert sorted(counters.done) == [1, 2]


def test_latest_releases_dropped_elements_at_once(clock, counters):
    source = Stream(loop=clock)
    source.latest().rate_limit(10).sink(lambda x: None)
    counters.emit(source, *range(4), asynchronous=True)
    assert counters.done == [0, 1, 2]
    clock.advance(30)
    assert sorted(counters.done) == [0, 1, 2, 3]


def test_sliding_window_releases_elements_that_leave_it(counters):
    source = Stream()
    node = source.sliding_window(2)
    node.sink(lambda x: None)
    counters.emit(source, 1, 2)
    first = list(counters.done)
    counters.emit(source, 3)
    assert 1 in counters.done
    assert 2 not in first and 3 not in counters.done


# Metadata travels as in streamz.


class noting(Stream):
    def __init__(self, upstream):
        self.seen = []
        super().__init__(upstream)

    def update(self, x, who=None, metadata=None):
        self.seen.append((x, [dict["v"] for dict in metadata]))
        return self._emit(x, metadata=metadata)


def test_metadata_of_windows_is_that_of_all_their_elements():
    source = Stream()
    node = noting(source.partition(2))
    for n in range(4):
        source.emit(n, metadata=[{"v": n}])
    assert node.seen == [((0, 1), [0, 1]), ((2, 3), [2, 3])]


def test_metadata_of_joins():
    a, b = Stream(), Stream()
    zipped, combined = noting(a.zip(b)), noting(a.combine_latest(b))
    a.emit(1, metadata=[{"v": "a"}])
    b.emit(2, metadata=[{"v": "b"}])
    assert zipped.seen == [((1, 2), ["a", "b"])]
    assert combined.seen == [((1, 2), ["a", "b"])]


def test_metadata_travels_through_queues(clock):
    source = Stream(loop=clock)
    node = noting(source.buffer(3).delay(1).shift(1))
    for n in range(3):
        source.emit(n, metadata=[{"v": n}])
    clock.advance(10)
    assert node.seen == [(n, [n]) for n in range(3)]


def test_metadata_with_several_dicts_and_without_counters():
    source = Stream()
    node = noting(source)
    source.emit(1, metadata=[{"v": 1}, {"v": 2}])
    source.emit(2)
    assert node.seen == [(1, [1, 2]), (2, [])]
