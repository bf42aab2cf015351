"""Operators that depend on time, on a virtual clock."""

from __future__ import annotations

import asyncio
import copy
import datetime
import gc
import pickle

import pytest

from thalweg import Stream, UndeliveredError, VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def source(clock):
    return Stream(loop=clock)


def timed(clock, node):
    """Outputs of a node, with their times."""
    seen = []
    node.sink(lambda x: seen.append((clock.time(), x)))
    return seen


def test_rate_limit_delays_emitters(clock, source):
    seen = timed(clock, source.rate_limit("10s"))
    for x in range(3):
        source.emit(x)
    assert seen == [(0, 0), (10, 1), (20, 2)]
    clock.advance(100)
    source.emit(3)
    assert seen[-1] == (120, 3)


def test_delay_spaces_elements_without_delaying_emitters(clock, source):
    seen = timed(clock, source.delay("10s"))
    for x in range(3):
        source.emit(x)
    assert clock.time() == 0
    clock.advance(25)
    assert seen == [(0, 0), (10, 1), (20, 2)]


def test_shift_moves_every_element_in_time(clock, source):
    seen = timed(clock, source.shift(10))
    source.emit("a")
    clock.advance(3)
    source.emit("b")
    clock.advance(10)
    assert seen == [(10, "a"), (13, "b")]


def test_debounce_emits_an_element_after_a_pause(clock, source):
    seen = timed(clock, source.debounce(10))
    for x in range(3):
        source.emit(x)
        clock.advance(9)
    clock.advance(1)
    source.emit("late")
    clock.advance(10)
    assert seen == [(28, 2), (38, "late")]


def test_throttle_drops_elements_within_the_interval(clock, source):
    seen = timed(clock, source.throttle(10))
    for x in range(5):
        source.emit(x)
        clock.advance(4)
    assert seen == [(0, 0), (12, 3)]


def test_sample_sends_the_last_of_each_interval(clock, source):
    seen = timed(clock, source.sample(10))
    source.emit_many([1, 2])
    clock.advance(20)
    source.emit(3)
    clock.advance(10)
    assert seen == [(10, 2), (30, 3)]


def test_timed_window_sends_at_the_end_of_each_interval(clock, source):
    seen = timed(clock, source.timed_window(10))
    source.emit(1)
    clock.advance(10)
    source.emit(2)
    clock.advance(20)
    assert seen == [(10, [1]), (20, [2]), (30, [])]


def test_timed_window_unique(clock, source):
    seen = timed(clock, source.timed_window_unique(10, key=lambda x: x % 2, keep="last"))
    source.emit_many([1, 2, 3])
    clock.advance(20)
    assert seen == [(10, (2, 3)), (20, ())]


def test_partition_counts_from_the_first_element_of_each_key(clock, source):
    seen = timed(clock, source.partition(3, timeout=10, key=lambda x: x % 2))
    source.emit(0)
    clock.advance(5)
    source.emit(1)
    source.emit(2)
    clock.advance(10)
    assert seen == [(10, (0, 2)), (15, (1,))]


def test_a_full_partition_needs_no_time(clock, source):
    seen = timed(clock, source.partition(2, timeout=10))
    source.emit_many([1, 2, 3])
    clock.advance(30)
    assert seen == [(0, (1, 2)), (10, (3,))]


def test_a_full_buffer_blocks_emitters(clock, source):
    seen = timed(clock, source.buffer(2).rate_limit(10))
    times = []
    for x in range(6):
        source.emit(x)
        times.append(clock.time())
    clock.advance(100)
    assert [x for _, x in seen] == list(range(6))
    assert [at for at, _ in seen] == [0, 10, 20, 30, 40, 50]
    assert times[0] == 0
    assert times[-1] >= 20


def test_latest_drops_superseded_elements(clock, source):
    seen = timed(clock, source.latest().rate_limit(10))
    source.emit(0)
    clock.advance(1)
    for x in range(1, 5):
        source.emit(x)
        clock.advance(1)
    clock.advance(100)
    assert seen[0] == (0, 0)
    assert seen[-1][1] == 4
    assert len(seen) < 5


def test_map_async_runs_one_more_than_its_parallelism(clock, source):
    running = []
    most = []

    async def call(x):
        running.append(x)
        most.append(len(running))
        await asyncio.sleep(10)
        running.remove(x)
        return x

    seen = timed(clock, source.map_async(call, parallelism=2))
    for x in range(6):
        source.emit(x)
    source.drain()
    assert max(most) == 3
    assert [x for _, x in seen] == list(range(6))
    assert clock.time() == 20


def test_from_periodic_does_not_drift(clock):
    async def slow():
        await asyncio.sleep(3)
        return clock.time()

    source = Stream.from_periodic(slow, "10s", loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance(35)
    assert L == [3, 13, 23, 33]


def test_intervals_are_numbers_text_or_timedeltas(clock, source):
    for interval in (60, 60.0, "1min", "60s", datetime.timedelta(minutes=1)):
        node = source.delay(interval)
        assert node.interval == 60


def test_the_clock_serves_asyncio_as_well(clock):
    async def main():
        await asyncio.sleep(3600)
        source = Stream(asynchronous=True)
        await source.rate_limit(10).map(str).emit(1)
        return asyncio.get_running_loop().time()

    assert clock.run(main()) == 3600


def test_a_year_passes_in_no_time(clock, source):
    seen = timed(clock, source.timed_window("1d"))
    clock.advance("365d")
    assert len(seen) == 365


@pytest.mark.parametrize("steps", [3, 8, 10, 100])
def test_steps_add_up_to_the_timers_they_reach(clock, source, steps):
    L = source.timed_window("100ms").sink_to_list()
    source.emit(1)
    for _ in range(steps):
        clock.advance(0.1)
    assert len(L) == steps
    assert clock.time() == steps / 10


def test_an_emit_that_would_wait_for_ever_raises(clock, source):
    source.sink(lambda x: clock.asyncio_loop.create_future())
    with pytest.raises(RuntimeError, match="never happen"):
        source.emit(1)


class StallingClock(VirtualClock):
    """A clock that advances while a function runs, as real ones do."""

    def stall(self, seconds):
        self.asyncio_loop._move_to(self.time() + seconds)


@pytest.mark.parametrize("operator", ["rate_limit", "delay", "timed_window", "sample"])
def test_a_blocking_stage_does_not_shift_timers(operator):
    clock = StallingClock()
    source = Stream(loop=clock)
    ticks = []
    node = getattr(source, operator)(10)
    node.sink(lambda x: ticks.append(clock.time()))
    stalls = iter([0, 1, 0, 0, 1])
    node.sink(lambda x: clock.stall(next(stalls, 0)))
    for x in range(8):
        source.emit(x, asynchronous=True)
        if operator == "sample":
            clock.advance(10)
    clock.advance(100)
    first = ticks[0]
    # After a late tick the next one is on time again.
    assert ticks[:8] == [first + 10 * n for n in range(len(ticks[:8]))]


ZERO = {
    "rate_limit": lambda s: s.rate_limit(0),
    "delay": lambda s: s.delay(0.0),
    "shift": lambda s: s.shift("0s"),
    "throttle": lambda s: s.throttle(0),
    "debounce": lambda s: s.debounce(0),
    "sample": lambda s: s.sample(0),
    "timed_window": lambda s: s.timed_window(0).flatten(),
    "timed_window_unique": lambda s: s.timed_window_unique(0).flatten(),
    "partition": lambda s: s.partition(100, timeout=0).flatten(),
}


@pytest.mark.parametrize("operator", ZERO)
def test_zero_means_no_wait(operator):
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = ZERO[operator](source).sink_to_list()
    for x in range(3):
        source.emit(x)
        clock.advance(0.001)
    assert L == [0, 1, 2]
    clock.advance(3600)
    source.drain()
    assert L == [0, 1, 2]


def test_a_source_without_an_interval_calls_again_once_its_element_is_accepted():
    clock = VirtualClock()
    calls = iter(range(100))
    source = Stream.from_periodic(lambda: next(calls), 0, loop=clock)
    L = source.rate_limit("1s").sink_to_list()
    source.start()
    clock.advance(4.5)
    assert L == [0, 1, 2, 3, 4]
    source.stop()
    source.drain()


def test_sources_polling_without_a_pause_do_not_starve_others(tmp_path):
    (tmp_path / "file").write_text("one\ntwo\n")
    makers = [
        lambda: Stream.from_periodic(lambda: "tick", "0s", asynchronous=True),
        lambda: Stream.from_textfile(str(tmp_path / "file"), poll_interval=0, asynchronous=True),
        lambda: Stream.filenames(str(tmp_path), poll_interval=0, asynchronous=True),
    ]

    async def main():
        sources = [make() for make in makers]
        lists = [source.sink_to_list() for source in sources]
        for source in sources:
            source.start()
        while not all(lists):
            await asyncio.sleep(0)
        for source in sources:
            await source.drain("1min")
        return lists

    ticks, lines, names = asyncio.run(main())
    assert set(ticks) == {"tick"}
    assert list(map(str.strip, lines)) == ["one", "two"]
    assert names == [str(tmp_path / "file")]


def test_a_drain_with_timeout_zero_delivers_what_needs_no_wait():
    source = Stream()
    L = source.partition(2).sink_to_list()
    source.emit_many([1, 2, 3])
    source.drain(0)
    assert L == [(1, 2), (3,)]
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = source.shift(1).sink_to_list()
    source.emit_many([1, 2, 3])
    with pytest.raises(UndeliveredError):
        source.drain("0s")
    assert L == []


def test_a_schedule_follows_its_time_zone():
    clock = VirtualClock()
    # Daylight saving time starts that night.
    zero = datetime.datetime(2026, 3, 28, 12, tzinfo=datetime.timezone.utc)
    source = Stream.from_schedule("30 2 * * *", tz="Europe/Berlin", zero=zero, loop=clock, start=True)
    L = source.map(str).sink_to_list()
    clock.advance("3 days")
    assert L == ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00", "2026-03-31 02:30:00+02:00"]


def test_an_interval_schedule_starts_at_once_and_ends_with_the_source():
    clock = VirtualClock()
    source = Stream.from_schedule("30s", loop=clock)
    L = source.sink_to_list()
    source.start()
    clock.advance("1min")
    source.stop()
    clock.advance("1h")
    assert [(time - L[0]).total_seconds() for time in L] == [0, 30, 60]
    assert L[0].tzinfo is datetime.timezone.utc


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("* 24 * * *",), "the hour is `24`"),
        (("* * *",), "from_schedule"),
        (("@daily", "Mars/Olympus"), "Mars/Olympus"),
    ],
)
def test_a_wrong_schedule_is_reported_when_created(arguments, words):
    with pytest.raises(ValueError, match=words):
        Stream.from_schedule(*arguments, loop=VirtualClock())


def test_the_zero_of_a_schedule_has_a_time_zone():
    with pytest.raises(ValueError, match="`zero` is a datetime with a time zone"):
        Stream.from_schedule("@daily", zero=datetime.datetime(2026, 1, 1), loop=VirtualClock())


def test_a_dropped_clock_warns_of_nothing(recwarn):
    gc.collect()
    recwarn.clear()
    clock = VirtualClock()
    del clock
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_copied_clock_goes_by_the_same_time(clock):
    settings = {"clock": clock}
    assert copy.copy(clock) is clock
    assert copy.deepcopy(settings)["clock"] is clock
    with pytest.raises(TypeError, match="cannot pickle a 'VirtualClock'"):
        pickle.dumps(settings)
