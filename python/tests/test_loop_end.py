"""The end of `asyncio.run` delivers emitted elements; `until_idle` waits for elements in flight."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from support import PATIENCE
from thalweg import Stream, UndeliveredError, VirtualClock
from thalweg.runtime import program_end


def into_asynchronous_sink(source, collect):
    async def sink(x):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        collect(x)

    source.buffer(50).sink(sink)


def through_calls(source, collect):
    async def double(x):
        await asyncio.sleep(0.001)
        return x

    source.map_async(double, parallelism=3).sink(collect)


SHAPES = {
    "buffer": lambda source, collect: source.buffer(50).map(lambda x: x).sink(collect),
    "asynchronous sink": into_asynchronous_sink,
    "map_async": through_calls,
    "delay": lambda source, collect: source.delay(0.01).sink(collect),
    "rate_limit": lambda source, collect: source.rate_limit(0.001).sink(collect),
    "gather": lambda source, collect: source.scatter().map(lambda x: x).buffer(5).gather().sink(collect),
    "zip": lambda source, collect: source.zip(source.delay(0.001)).pluck(0).sink(collect),
    "latest": lambda source, collect: source.latest().sink(collect),
}


@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "not awaited"])
@pytest.mark.parametrize("shape", SHAPES)
def test_emitted_elements_arrive(shape, awaited, caplog):
    arrived = []

    async def main():
        source = Stream(asynchronous=True)
        SHAPES[shape](source, arrived.append)
        for x in range(20):
            emitted = source.emit(x)
            if awaited:
                await emitted

    asyncio.run(main())
    assert arrived[-1] == 19
    assert shape == "latest" or arrived == list(range(20))
    assert not caplog.records


def test_running_calls_are_not_cancelled():
    done = []

    async def main():
        source = Stream(asynchronous=True)
        begun = asyncio.Event()

        async def slow(x):
            begun.set()
            await asyncio.sleep(0.01)
            done.append(x)

        source.buffer(2).sink(slow)
        source.emit(1)
        await begun.wait()

    asyncio.run(main())
    assert done == [1]


def test_other_tasks_of_the_program_are_cancelled_as_usual():
    ended = []

    async def main():
        source = Stream(asynchronous=True)
        L = source.buffer(2).sink_to_list()

        async def forever():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append(len(L))
                raise

        # A reference, since the loop keeps none.
        task = asyncio.ensure_future(forever())
        await source.emit(1)
        await asyncio.sleep(0)
        return task

    assert asyncio.run(main()).cancelled()
    assert len(ended) == 1


def test_a_window_is_kept_for_the_next_loop():
    source = Stream(asynchronous=True)
    L = source.buffer(5).partition(2).sink_to_list()

    async def main(*numbers):
        for x in numbers:
            await source.emit(x)

    asyncio.run(main(1, 2, 3))
    assert L == [(1, 2)]
    asyncio.run(main(4))
    assert L == [(1, 2), (3, 4)]


def test_a_source_is_stopped_and_its_emitted_elements_arrive():
    arrived = []

    async def main():
        source = Stream.from_periodic(lambda: "tick", 0.001, asynchronous=True)
        first = asyncio.Event()

        async def slow(x):
            first.set()
            await asyncio.sleep(0.01)
            arrived.append(x)

        source.buffer(3).sink(slow)
        source.start()
        await first.wait()
        return source

    source = asyncio.run(main())
    assert source.stopped
    assert arrived
    assert source.counters()["sent"] == len(arrived)


def test_a_call_that_never_ends_is_cancelled_and_reported(monkeypatch, caplog):
    monkeypatch.setattr(program_end, "PATIENCE_AT_EXIT", 0.02)
    cleaned = []

    async def main():
        source = Stream(asynchronous=True)

        async def stuck(x):
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(x)

        source.buffer(1).sink(stuck)
        await source.emit(1)
        return source

    source = asyncio.run(main())
    assert cleaned == [1]
    # The closed loop is detected at the next use of the pipeline.
    program_end.tell_of_closed(source._event_loop)
    assert "the event loop was closed with 1 element of" in caplog.text


def test_failures_at_the_end_are_reported(caplog):
    async def main():
        source = Stream(asynchronous=True)

        async def fail(x):
            await asyncio.sleep(0)
            raise ValueError(f"no {x}")

        source.buffer(5).sink(fail)
        await source.emit(1)

    asyncio.run(main())
    assert caplog.text.count("no 1") >= 1


def test_the_end_of_a_loop_does_not_keep_it_alive():
    async def main():
        source = Stream(asynchronous=True)
        L = source.buffer(2).sink_to_list()
        await source.emit(1)
        return L

    loop = asyncio.new_event_loop()
    # Closed abruptly, unlike `asyncio.run`.
    loop.run_until_complete(main())
    gone = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


def test_until_idle_leaves_windows_open():
    source = Stream()
    L = source.delay(0.001).partition(2).sink_to_list()
    source.emit_many([1, 2, 3])
    source.until_idle()
    assert L == [(1, 2)]
    source.emit(4)
    source.until_idle("1min")
    assert L == [(1, 2), (3, 4)]


def test_until_idle_reports_elements_in_flight(monkeypatch):
    monkeypatch.setattr(program_end, "PATIENCE_AT_EXIT", 0.01)

    async def main():
        source = Stream(asynchronous=True)
        source.delay("1h").sink(print)
        # The first element is sent at once.
        source.emit(1)
        source.emit(2)
        with pytest.raises(UndeliveredError, match="`delay` still holds 1"):
            await source.until_idle("1ms")

    asyncio.run(main())


def test_until_idle_advances_a_virtual_clock():
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = source.buffer(2).delay("1h").sink_to_list()
    source.emit_many([1, 2, 3])
    source.until_idle("2h")
    assert L == [1, 2, 3]


def test_until_idle_raises_failures():
    source = Stream()
    source.buffer(2).map(lambda x: 1 / x).sink(print)
    source.emit(0)
    with pytest.raises(ZeroDivisionError):
        source.until_idle()
    source.until_idle()


def test_until_idle_is_awaited_where_the_pipeline_is_asynchronous():
    async def main():
        source = Stream(asynchronous=True)
        L = source.delay(0.001).sink_to_list()
        source.emit(1)
        await source.until_idle()
        # And from a thread, which may block.
        source.emit(2)
        await asyncio.to_thread(source.until_idle)
        return L

    assert asyncio.run(main()) == [1, 2]


def test_until_idle_waits_for_engines():
    source = Stream()
    gate = threading.Event()
    L = source.scatter().map(lambda x: gate.wait() and x).buffer(3).gather().sink_to_list()
    source.emit(1)
    with pytest.raises(UndeliveredError):
        source.until_idle("1ms")
    gate.set()
    source.until_idle()
    assert L == [1]


@pytest.mark.parametrize("timeout", ["soon", -1, True])
def test_until_idle_refuses_an_invalid_timeout(timeout):
    with pytest.raises((TypeError, ValueError)):
        Stream().until_idle(timeout)


INTERRUPTED = """
import asyncio
from thalweg import Stream

async def main():
    source = Stream(asynchronous=True)

    async def stuck(x):
        print("at work", flush=True)
        await asyncio.Event().wait()

    source.buffer(5).sink(stuck)
    await source.emit(1)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_ctrl_c_ends_main_and_a_second_one_leaves_at_once():
    program = subprocess.Popen(
        [sys.executable, "-I", "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout.readline() == "at work\n"
        program.send_signal(signal.SIGINT)
        # Prints what it waits for, and how to abort.
        line = program.stderr.readline()
        assert "delivering 1 element of" in line
        assert "Ctrl-C leaves at once" in line
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    assert program.returncode == -signal.SIGINT
