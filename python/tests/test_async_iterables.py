"""`from_iterable` with asynchronous iterables."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading

import pytest

from support import PATIENCE
from thalweg import Stream, VirtualClock
from thalweg.errors import logger_name


class Numbers:
    """An asynchronous generator that records its state."""

    def __init__(self, *waits, error=None):
        self.asked, self.closed, self.error = 0, 0, error
        self._waits = waits

    async def numbers(self):
        try:
            for x, wait in enumerate(self._waits):
                self.asked += 1
                await asyncio.sleep(wait)
                yield x
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1


@pytest.fixture
def clock():
    return VirtualClock()


def test_elements_arrive_as_they_are_yielded_and_the_generator_is_closed(clock):
    numbers = Numbers(1, 2, 3)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.sink_to_list()
    lengths = []
    for _ in range(4):
        clock.advance("1.5s")
        lengths.append(len(L))
    assert lengths == [1, 2, 2, 3]
    assert source.stopped and numbers.closed == 1


def test_the_next_element_is_requested_after_the_previous_one_is_accepted(clock):
    numbers = Numbers(*[0] * 10)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.rate_limit("1s").sink_to_list()
    clock.advance("2.5s")
    assert L == [0, 1, 2]
    assert numbers.asked == 4


def test_an_iterator_without_aclose_is_not_closed(clock):
    class Countdown:
        left = 3

        def __aiter__(self):
            return self

        async def __anext__(self):
            if self.left == 0:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    L = Stream.from_iterable(Countdown(), loop=clock, start=True).sink_to_list()
    clock.advance("1s")
    assert L == [2, 1, 0]


def test_an_exception_of_the_generator_ends_the_source_and_is_logged(clock, caplog):
    numbers = Numbers(0, error=ValueError("torn"))
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance("1s")
    assert L == [0] and source.stopped and numbers.closed == 1
    (record,) = [record for record in caplog.records if record.name == logger_name]
    assert "torn" in record.getMessage() or "torn" in str(record.exc_info)


def test_a_failure_in_the_pipeline_belongs_to_its_element(clock, caplog):
    caplog.set_level(logging.CRITICAL)
    source = Stream.from_iterable(Numbers(0, 0, 0).numbers(), loop=clock, start=True)
    L = source.map(lambda x: 1 / (x - 1)).sink_to_list()
    clock.advance("1s")
    assert L == [-1, 1]


def test_a_source_stopped_while_waiting_resumes_the_same_generator(clock):
    numbers = Numbers(1, 10, 1)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance("5s")
    source.stop()
    clock.advance("1s")
    assert source._run_state.is_over()
    # Elements arriving meanwhile are kept.
    clock.advance("1min")
    assert (L, numbers.asked, numbers.closed) == ([0], 2, 0)
    source.start()
    clock.advance("1s")
    assert (L, numbers.asked) == ([0, 1, 2], 3)


def test_a_drain_closes_a_waiting_generator(clock):
    numbers = Numbers(0, 1000)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance("1s")
    source.drain("10s")
    assert (L, numbers.closed) == ([0], 1)


@pytest.mark.parametrize("has_come", [False, True])
def test_a_drain_closes_the_generator_of_a_stopped_source_without_losing_elements(clock, has_come):
    numbers = Numbers(0, 10, 1000)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance("1s")
    source.stop()
    clock.advance("1min" if has_come else "1s")
    source.drain("10s")
    assert (L, numbers.closed) == ([0, 1] if has_come else [0], 1)


def test_a_drain_finishes_the_element_in_flight(clock):
    numbers = Numbers(0, 0, 0)
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    seen = []

    async def write(x):
        await asyncio.sleep(2)
        seen.append(x)

    source.sink(write)
    clock.advance("1s")
    source.drain("10s")
    assert (seen, numbers.closed) == ([0], 1)


def test_the_generator_runs_in_a_single_task(clock):
    tasks = set()

    async def numbers():
        tasks.add(asyncio.current_task())
        try:
            for x in range(3):
                yield x
                tasks.add(asyncio.current_task())
        finally:
            tasks.add(asyncio.current_task())

    source = Stream.from_iterable(numbers(), loop=clock, start=True)
    source.rate_limit("1s").sink(lambda x: None)
    clock.advance("1.5s")
    source.stop()
    clock.advance("1s")
    source.start()
    clock.advance("1min")
    assert source.stopped and len(tasks) == 1


def test_a_generator_that_never_waits_does_not_starve_the_loop():
    async def endless():
        x = 0
        while True:
            yield x
            x += 1

    async def main():
        source = Stream.from_iterable(endless(), asynchronous=True)
        source.sink(lambda x: None)
        source.start()
        await asyncio.sleep(0.01)
        await source.drain()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_closing_the_loop_closes_the_generator():
    numbers = Numbers(0, 1000)

    async def main():
        source = Stream.from_iterable(numbers.numbers(), asynchronous=True)
        came = asyncio.Event()
        source.sink(lambda x: came.set())
        source.start()
        await came.wait()
        return source

    source = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert numbers.closed == 1 and source.stopped


@pytest.mark.parametrize("where", ["pipeline", "generator"])
def test_system_exit_ends_the_source_and_propagates(caplog, where):
    seen, came = [], threading.Event()

    async def numbers():
        yield 0
        yield 1
        if where == "generator":
            raise SystemExit("enough")
        yield 2

    def write(x):
        seen.append(x)
        if x == 1 and where == "pipeline":
            raise SystemExit("enough")
        if x == 2:
            came.set()

    source = Stream.from_iterable(numbers(), asynchronous=False)
    source.sink(write)
    source.start()
    assert source._run_state.wait_in_thread(PATIENCE)
    assert source.stopped and seen == [0, 1]
    assert any("has ended: a function raised" in record.getMessage() for record in caplog.records)
    source.start()
    if where == "pipeline":
        assert came.wait(PATIENCE)
    source.drain()


def test_a_generator_suspended_on_another_loop_is_not_resumed(caplog):
    numbers = Numbers(1000)

    async def run(source):
        source.start()
        while not numbers.asked:
            await asyncio.sleep(0)
        source.stop()
        await source.finished()

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        source = Stream.from_iterable(numbers.numbers(), asynchronous=True)
        first.run_until_complete(run(source))
        parts = source._async_elements
        assert parts.is_left_waiting
        with pytest.raises(RuntimeError, match="has begun on another event loop"):
            second.run_until_complete(parts.send_all(source))
        parts._task.cancel()
        first.run_until_complete(asyncio.wait({parts._task}))
    finally:
        first.close()
        second.close()
    assert numbers.closed == 1


def test_dropping_the_clock_frees_a_waiting_generator(caplog, recwarn):
    numbers = Numbers(1000)
    clock = VirtualClock()
    source = Stream.from_iterable(numbers.numbers(), loop=clock, start=True)
    clock.advance("1s")
    assert numbers.asked == 1
    del source, clock
    gc.collect()
    assert not caplog.records and not list(recwarn)


def test_a_non_iterable_is_refused():
    with pytest.raises(TypeError, match="`iterable` is something to iterate over, not 5"):
        Stream.from_iterable(5)
