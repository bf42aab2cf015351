"""Emits that time out or are cancelled: waiting elements are withdrawn, accepted ones are delivered."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import PATIENCE, rest_of
from thalweg import Stream, UndeliveredError, VirtualClock, zip


def held(source):
    return sum(node.counters()["held"] for node in source._pipeline.nodes())


@pytest.mark.parametrize("build", [lambda s: s.buffer(2).rate_limit(3600), lambda s: s.rate_limit(3600)])
def test_a_cancelled_emit_leaves_nothing_behind(build):
    async def main():
        source = Stream(asynchronous=True)
        build(source).sink(lambda x: None)
        taken = 0
        for x in range(200):
            try:
                await asyncio.wait_for(source.emit(x), 0.001)
                taken += 1
            except asyncio.TimeoutError:
                pass
        await asyncio.sleep(0)
        assert taken < 10
        assert held(source) < 10

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_accepted_element_is_delivered_in_spite_of_a_timeout():
    async def main():
        source, done, begun = Stream(asynchronous=True), [], asyncio.Event()

        async def slow(x):
            begun.set()
            await asyncio.sleep(0.01)
            done.append(x)

        source.sink(slow)
        emitting = asyncio.ensure_future(_await(source.emit(1)))
        await begun.wait()
        emitting.cancel()
        await source.drain()
        assert done == [1]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def _await(awaitable):
    await awaitable


def test_emits_that_are_not_awaited_are_delivered():
    async def main():
        source = Stream(asynchronous=True)
        L = source.rate_limit(0.001).sink_to_list()
        for x in range(5):
            source.emit(x)
        await source.drain()
        assert L == [0, 1, 2, 3, 4]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("many", [False, True])
def test_a_blocking_emit_has_a_timeout(many):
    source = Stream(loop=VirtualClock())
    L = source.rate_limit("1h").sink_to_list()
    emit = (lambda x, **options: source.emit_many([x, x], **options)) if many else source.emit
    source.emit(0, timeout=1)
    for x in range(20):
        with pytest.raises(TimeoutError):
            emit(x, timeout="1s")
    assert held(source) == 0
    assert L == [0]


def test_a_blocking_emit_has_a_timeout_on_a_loop_thread_too():
    source = Stream()
    L = source.rate_limit(3600).sink_to_list()
    source.emit(0, timeout=PATIENCE)
    with pytest.raises(TimeoutError):
        source.emit(1, timeout=0.01)
    assert L == [0]
    assert held(source) == 0


BUSY = {
    "a buffer": lambda s: s.buffer(1),
    "functions before a buffer": lambda s: s.map(abs).buffer(1),
    "the same thread as another emitter": lambda s: s.map(abs),
}


@pytest.mark.parametrize("name", BUSY)
def test_an_emit_that_waits_for_a_function_has_a_timeout(name):
    source, done, begun, released = Stream(), [], threading.Event(), threading.Event()

    def block(x):
        done.append(x)
        begun.set()
        released.wait(PATIENCE)

    BUSY[name](source).sink(block)
    emitter = threading.Thread(target=source.emit, args=(0,))
    emitter.start()
    begun.wait(PATIENCE)
    for emit in (source.emit, lambda x, timeout: source.emit_many([x, x], timeout=timeout)):
        with pytest.raises(TimeoutError, match="taken within 10ms"):
            emit(1, timeout=0.01)
    released.set()
    emitter.join()
    source.emit(2, timeout=PATIENCE)
    source.drain()
    assert done == [0, 2]


@pytest.mark.parametrize("elements", [iter(int, 1), (x for x in iter(int, 1))], ids=["iterator", "generator"])
@pytest.mark.parametrize(
    "build", [lambda s: s.map(abs), lambda s: s.map(lambda x: x).partition(5), lambda s: s.buffer(3)]
)
def test_an_emit_without_end_has_a_timeout(build, elements):
    source = Stream()
    build(source).sink(lambda x: None)
    with pytest.raises(TimeoutError, match="taken within 50ms"):
        source.emit_many(elements, timeout=0.05)
    L = source.sink_to_list()
    source.emit_many([1, 2], timeout=PATIENCE)
    source.drain()
    assert L == [1, 2]


def test_an_emit_whose_function_blocks_has_a_timeout():
    source, done, released = Stream(), [], threading.Event()
    source.rate_limit(0.001).sink(lambda x: (released.wait(PATIENCE), done.append(x)))
    with pytest.raises(TimeoutError, match="not taken within 10ms"):
        source.emit(0, timeout=0.01)
    released.set()
    source.drain()
    assert done == [0]


def test_an_interrupted_blocking_emit_is_withdrawn(alarm):
    source = Stream()
    L = source.rate_limit(3600).sink_to_list()
    source.emit(0)
    for x in range(5):
        with pytest.raises(InterruptedError):
            alarm(0.01)
            source.emit(x)
    # The loop's thread withdraws them.
    source.emit_many([], timeout=PATIENCE)
    assert L == [0]
    assert held(source) == 0


@pytest.fixture
def alarm():
    """Make a signal handler raise after some seconds."""

    def ring(*_):
        raise InterruptedError

    earlier = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, earlier)


def test_an_invalid_timeout_is_refused():
    with pytest.raises(ValueError, match="emit: `timeout`"):
        Stream().emit(1, timeout=-1)


def test_a_cancelled_batch_is_withdrawn():
    async def main():
        source = Stream(asynchronous=True)
        source.buffer(2).rate_limit(3600).sink(str)
        for _ in range(50):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(source.emit_many([bytes(1000)] * 10), 0.001)
        return held(source)

    assert asyncio.run(main()) < 10


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_cancelled_cross_thread_emit_is_withdrawn(is_batch):
    source = Stream(asynchronous=False)
    source.buffer(2).rate_limit(3600).sink(str)
    assert source.loop is not None

    async def main():
        for x in range(50):
            sent = source.emit_many([x], asynchronous=True) if is_batch else source.emit(x, asynchronous=True)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(sent, 0.01)

    asyncio.run(main())
    # The loop's thread releases them before it runs later callbacks.
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), source._event_loop).result(PATIENCE)
    assert held(source) < 10
    with pytest.raises(UndeliveredError):
        source.drain(0)


def test_a_cross_thread_emit_that_is_not_awaited_is_delivered():
    source = Stream(asynchronous=False)
    L = source.buffer(1).rate_limit(0.001).sink_to_list()

    async def main():
        for x in range(20):
            source.emit(x, asynchronous=True)

    asyncio.run(main())
    source.drain()
    assert L == list(range(20))


def test_an_emit_cancelled_at_a_full_join_is_withdrawn():
    async def main():
        source, other = Stream(asynchronous=True), Stream(asynchronous=True)
        L = zip(source, other, maxsize=2).sink_to_list()
        for x in range(2):
            await source.emit(x)
        for _ in range(50):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(source.emit("given up"), 0.001)
        for x in range(2):
            await other.emit(x)
        await source.emit(2)
        await other.emit(2)
        return L

    assert asyncio.run(main()) == [(0, 0), (1, 1), (2, 2)]


class Stop(BaseException):
    pass


def test_waiting_for_another_threads_pass_can_be_interrupted():
    source, inside, go, arrived = Stream(), threading.Event(), threading.Event(), []

    @source.sink
    def slowly(x):
        if x == 0:
            inside.set()
            assert go.wait(PATIENCE)
        arrived.append(x)

    def stop(*_):
        raise Stop

    other = threading.Thread(target=source.emit, args=(0,))
    before = signal.signal(signal.SIGALRM, stop)
    try:
        other.start()
        assert inside.wait(PATIENCE)
        with pytest.raises(Stop):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            source.emit(1)
        assert arrived == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        go.set()
        other.join(PATIENCE)
    source.emit(2)
    assert arrived == [0, 2]


def test_waiting_in_a_function_for_an_emitter_of_its_own_pipeline_raises(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        """
from concurrent.futures import ThreadPoolExecutor

from thalweg import Stream

pool, source = ThreadPoolExecutor(1), Stream()

def again(x):
    if x == 0:
        pool.submit(source.emit, 1).result()

source.sink(again)
try:
    source.emit(0)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    )
    process = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    too_long = threading.Timer(PATIENCE, process.kill)
    too_long.start()
    told = process.stderr.readline()
    too_long.cancel()
    process.send_signal(signal.SIGINT)
    assert "MainThread in again at program.py:" in told
    assert rest_of(process) == ("interrupted\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("wait", ["result", "join"])
def test_blocking_the_event_loop_on_its_own_emitter_raises(wait):
    # One thread drains while the other emits.
    source, pool, errors = Stream(), ThreadPoolExecutor(2), []

    def emit(x):
        try:
            source.emit(x)
        except RuntimeError as error:
            errors.append(str(error))

    @source.buffer(2).sink
    def again(x):
        if x == 0 and wait == "result":
            pool.submit(emit, 1).result()
        elif x == 0:
            thread = threading.Thread(target=emit, args=(1,))
            thread.start()
            thread.join()

    source.emit(0)
    pool.submit(source.drain).result(PATIENCE)
    pool.shutdown()
    (error,) = errors
    assert "emit would wait for ever: 'again', which the pipeline's event loop runs" in error
