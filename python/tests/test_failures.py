"""Where failures of functions are raised, logged and counted."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback

import pytest

import thalweg
from support import PATIENCE, until
from thalweg import Retry, SeveralFailures, Stream, VirtualClock
from thalweg.dataframe.schema import SchemaError
from thalweg.tasks import KilledWorker, TaskTimeout


def invert(x):
    return 1 / x


async def invert_later(x):
    await asyncio.sleep(0)
    return 1 / x


def innermost(error):
    """The name of the function in which an exception was raised."""
    return traceback.extract_tb(error.__traceback__)[-1].name


# How failures arrive.


async def later(x):
    await asyncio.sleep(0)
    return x


def stop_iterating(x):
    if x == 1:
        raise StopIteration(x)
    return x


@pytest.mark.parametrize(
    "build", [lambda source: source.rate_limit(0.001), lambda source: source.map(later)], ids=["rate_limit", "map"]
)
def test_stop_iteration_ends_the_wait_on_an_event_loop(build):
    """Futures of event loops refuse it."""

    async def main():
        source = Stream(asynchronous=True)
        build(source).sink(stop_iterating)
        await source.emit(0)
        with pytest.raises(RuntimeError, match=r"^a function raised StopIteration\(1\)$") as caught:
            await asyncio.wait_for(source.emit(1), PATIENCE)
        assert isinstance(caught.value.__cause__, StopIteration)
        assert caught.value.__cause__.__notes__ == ["in sink(stop_iterating), on element 2: 1"]

    asyncio.run(main())


def test_sources_go_on_after_stop_iteration(caplog):
    source = Stream.from_iterable(range(3))
    L = source.rate_limit(0.001).map(stop_iterating).sink_to_list()
    source.start()
    until(lambda: source.stopped)
    source.drain()
    assert L == [0, 2]
    assert "a function raised StopIteration(1)" in caplog.text


def test_emit_raises_the_original_exception():
    source = Stream()
    source.map(invert).sink(print)
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(0)
    assert innermost(caught.value) == "invert"


def test_the_exception_object_keeps_its_identity():
    error = KeyError("the one")

    def fail(x):
        raise error

    source = Stream()
    source.sink(fail)
    with pytest.raises(KeyError) as caught:
        source.emit(1)
    assert caught.value is error


def test_a_note_names_the_node_and_the_element():
    source = Stream()
    source.map(invert, stream_name="inverse").sink(print)
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(0)
    assert caught.value.__notes__ == ["in inverse, on element 1: 0"]


def test_the_note_names_the_function_of_a_node_without_a_name():
    source = Stream()
    source.map(invert)
    nodes = source.map(invert).map(str)
    assert nodes is not None
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(0)
    assert "in map(invert), on element 1: 0" in caught.value.__notes__


def test_a_note_truncates_long_elements_and_survives_failing_reprs():
    class Hidden:
        def __repr__(self):
            raise RuntimeError("not for you")

    def fail(x):
        raise ValueError("no")

    source = Stream()
    source.sink(fail)
    with pytest.raises(ValueError) as caught:
        source.emit("x" * 10_000)
    assert len(caught.value.__notes__[0]) < 300
    with pytest.raises(ValueError, match="no"):
        source.emit(Hidden())


def test_the_traceback_of_a_distant_failure_ends_in_user_code():
    source = Stream()
    L = source.map(int).filter(lambda x: True).accumulate(lambda s, x: invert(x)).sink_to_list()
    source.emit("1")
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit("0")
    assert innermost(caught.value) == "invert"
    assert L == [1]


def test_emit_many_sends_every_element_and_raises_a_single_failure_unwrapped():
    source = Stream()
    L = source.map(invert).sink_to_list()
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit_many([1, 0, 2])
    assert L == [1.0, 0.5]
    assert innermost(caught.value) == "invert"
    assert caught.value.__notes__ == ["in map(invert), on element 2: 0"]


def test_emit_many_raises_several_failures_together():
    source = Stream()
    L = source.map(invert).sink_to_list()
    with pytest.raises(SeveralFailures) as caught:
        source.emit_many([0, 1, "one", 2])
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError, TypeError]
    assert L == [1.0, 0.5]


def test_emit_many_raises_what_the_iterable_raises():
    def elements():
        yield 1
        raise OSError("gone")

    source = Stream()
    L = source.sink_to_list()
    with pytest.raises(OSError, match="gone"):
        source.emit_many(elements())
    assert L == [1]


def test_await_emit_raises_the_failure():
    async def main():
        source = Stream(asynchronous=True)
        L = source.map(invert).sink_to_list()
        with pytest.raises(ZeroDivisionError) as caught:
            await source.emit(0)
        await source.emit(1)
        return caught.value, L

    error, L = asyncio.run(main())
    assert innermost(error) == "invert"
    assert error.__notes__ == ["in map(invert), on element 1: 0"]
    assert L == [1.0]


def test_await_emit_raises_what_an_async_def_raised_after_waiting():
    async def main():
        source = Stream(asynchronous=True)
        L = source.map(invert_later).sink_to_list()
        with pytest.raises(ZeroDivisionError) as caught:
            await source.emit(0)
        await source.emit(1)
        return caught.value, L

    error, L = asyncio.run(main())
    assert innermost(error) == "invert_later"
    assert L == [1.0]


def test_a_blocking_emit_to_a_loop_on_a_thread_raises_the_failure():
    source = Stream(asynchronous=False)
    L = source.map(invert).sink_to_list()
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(0)
    assert innermost(caught.value) == "invert"
    assert caught.value.__notes__ == ["in map(invert), on element 1: 0"]
    source.emit(1)
    assert L == [1.0]


def test_a_blocking_emit_raises_what_an_async_def_raised_after_waiting():
    source = Stream(asynchronous=False)
    L = source.map(invert_later).sink_to_list()
    with pytest.raises(ZeroDivisionError):
        source.emit(0)
    with pytest.raises(SeveralFailures):
        source.emit_many([0, 1, 0])
    source.emit(1)
    assert L == [1.0, 1.0]


def test_branches_after_the_failing_one_do_not_get_the_element():
    source = Stream()
    before = source.sink_to_list()
    source.map(invert).sink(print)
    after = source.sink_to_list()
    with pytest.raises(ZeroDivisionError):
        source.emit(0)
    assert (before, after) == ([0], [])


# Failures without a waiting emitter.


def behind(build):
    """A pipeline whose failing node comes after one that does not delay emitters."""
    clock = VirtualClock()
    source, seen = Stream(loop=clock), []

    def fail_on_zero(x):
        if x in (0, [0], (0,)):
            raise ZeroDivisionError("a zero")
        seen.append(x)

    build(source).sink(fail_on_zero)
    return clock, source, seen


WAITING = {
    "buffer": lambda source: source.buffer(10),
    "delay": lambda source: source.delay("1s"),
    "latest": lambda source: source.latest(),
    "timed_window": lambda source: source.timed_window("1s").filter(None),
    "timed_window_unique": lambda source: source.timed_window_unique("1s").filter(None),
    "partition with a timeout": lambda source: source.partition(5, timeout="1s"),
    "shift": lambda source: source.shift("1s"),
    "debounce": lambda source: source.debounce("1s"),
    "sample": lambda source: source.sample("1s"),
}


async def _same(x):
    await asyncio.sleep(1)
    return x


WAITING["map_async"] = lambda source: source.map_async(_same)
waiting = pytest.mark.parametrize("build", WAITING.values(), ids=WAITING.keys())


@waiting
def test_a_failure_that_nobody_waits_for_reaches_the_next_emit(build):
    clock, source, seen = behind(build)
    source.emit(0)
    clock.advance("5s")
    with pytest.raises(ZeroDivisionError, match="a zero"):
        source.emit(1)
    clock.advance("5s")
    source.emit(2)
    clock.advance("5s")
    source.drain()
    assert seen[-1] in (2, [2], (2,))


@waiting
def test_a_failure_that_nobody_waits_for_reaches_drain(build):
    clock, source, seen = behind(build)
    source.emit(0)
    clock.advance("5s")
    with pytest.raises(ZeroDivisionError, match="a zero"):
        source.drain()


@waiting
def test_a_failure_of_the_last_element_reaches_drain(build):
    clock, source, seen = behind(build)
    source.emit(0)
    with pytest.raises(ZeroDivisionError, match="a zero"):
        source.drain()


def test_a_failure_at_the_end_of_a_with_block_does_not_hide_the_blocks_own_error():
    def fail(x):
        raise ValueError(x)

    with pytest.raises(ValueError, match="1") as raised, Stream() as source:
        source.partition(2).sink(fail)
        source.emit(1)
        raise KeyError("of the block")
    assert repr(raised.value.__context__) == "KeyError('of the block')"


def test_leaving_a_with_block_raises_the_failure():
    with pytest.raises(ZeroDivisionError), Stream(loop=VirtualClock()) as source:
        source.buffer(3).sink(invert)
        source.emit(0)


# Base exceptions.


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("policy", ["raise", "skip", Retry(3), "stream"], ids=str)
def test_policies_ignore_interrupts(interrupt, policy):
    calls = []

    def stop(x):
        calls.append(x)
        if x == 0:
            raise interrupt

    errors = Stream()
    failures = errors.sink_to_list()
    source = Stream()
    source.sink(stop, on_error=errors if policy == "stream" else policy)
    windows = source.partition(2).sink_to_list()
    with pytest.raises(interrupt):
        source.emit(0)
    source.emit(1)
    source.emit(2)
    source.drain()
    assert calls == [0, 1, 2]
    assert failures == []
    assert windows[-1] in [(2,), (1, 2)]


def test_an_interrupt_reaches_a_blocking_emit():
    def stop(x):
        raise SystemExit(3)

    source = Stream(asynchronous=False)
    source.map(stop, on_error="skip").sink(print)
    with pytest.raises(SystemExit):
        source.emit(0)


def test_an_interrupt_reaches_an_awaited_emit():
    async def main():
        def stop(x):
            raise SystemExit(3)

        source = Stream(asynchronous=True)
        source.map(stop, on_error="skip").sink(print)
        await source.emit(0)

    with pytest.raises(SystemExit):
        asyncio.run(main())


def test_the_package_exports_its_exceptions():
    for name in ("BuildError", "ClosedError", "PipelineError", "SeveralFailures", "UndeliveredError"):
        assert issubclass(getattr(thalweg, name), Exception)


@pytest.mark.parametrize(
    "error",
    [
        thalweg.ClosedError("closed"),
        thalweg.UndeliveredError("left", [("buffer", 1)], [ValueError(1)]),
        thalweg.SeveralFailures([ValueError(1), KeyError(2)]),
        SchemaError("x", "int64", None),
        TaskTimeout("task", 1.5),
        KilledWorker("task", "signal 9", 2),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_exceptions_can_be_copied_and_sent(error, duplicate):
    error.__notes__ = ["in a node"]
    copied = duplicate(error)
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert copied.__dict__.keys() == error.__dict__.keys()
    assert copied.__notes__ == ["in a node"]


def test_an_interrupt_after_a_buffer_reaches_the_next_blocking_emit():
    def stop(x):
        if x == 0:
            raise SystemExit(3)
        seen.append(x)

    seen = []
    source = Stream(asynchronous=False)
    source.buffer(3).sink(stop, on_error="skip")
    with pytest.raises(SystemExit):
        for x in range(1000):
            source.emit(x)
    source.emit("after")
    source.drain()
    assert seen[-1] == "after"


def test_an_interrupt_in_an_async_def_reaches_the_emitter():
    async def stop(x):
        await asyncio.sleep(0)
        raise SystemExit(3)

    source = Stream(loop=VirtualClock())
    source.map(stop, on_error="skip").sink(print)
    with pytest.raises(SystemExit):
        source.emit(0)


def test_a_failure_in_a_feedback_loop_reaches_the_emitter():
    source = Stream()
    down = source.map(lambda x: 10 // x)
    down.map(lambda x: x - 1).filter(lambda x: x < 5).connect(source)
    with pytest.raises(ZeroDivisionError):
        source.emit(10)


def test_log_records_name_the_node(caplog):
    clock = VirtualClock()

    def fail():
        raise ValueError("no tick")

    ticks = Stream.from_periodic(fail, "1s", loop=clock, start=True, stream_name="ticks")
    L = ticks.sink_to_list()
    clock.advance("1s")
    [first, *_] = [record for record in caplog.records if record.getMessage() == "no tick"]
    assert (first.thalweg_node, first.thalweg_pipeline) == ("ticks", "ticks")
    assert L == []


FULL = """
import os
import resource
from thalweg import Stream

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
source, failures = Stream(), Stream()
source.map(int, on_error=failures).sink(print)
failures.sink(print)
source.emit("0")
try:
    while True:
        os.open(os.devnull, os.O_RDONLY)
except OSError:
    pass
source.emit("1")
source.emit("http://me:secret@localhost/a")
"""


def test_failures_are_told_without_a_free_descriptor(python):
    done = python("-c", FULL)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["0", "1"], done.stderr
    assert lines[2].startswith("Failure(map(int), 'http://me:***@localhost/a', ValueError(")
    assert done.stderr == ""
