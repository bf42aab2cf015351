"""An exception raised by a signal handler reaches the emitter, wherever in the engine it occurs."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import socket
import sys
import threading

import pytest

from thalweg import Database, RefCounter, Stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


class Stop(BaseException):
    pass


async def same(x):
    return x


PIPELINES = {
    "no loop": lambda s: s.map(lambda x: x),
    "buffer": lambda s: s.buffer(50),
    "window": lambda s: s.timed_window(0.002).flatten(),
    "map_async": lambda s: s.map_async(same, parallelism=50),
    "map": lambda s: s.map(same),
    "delay": lambda s: s.delay(1e-6),
    "rate_limit": lambda s: s.buffer(5).rate_limit(0.0001),
    "latest": lambda s: s.latest(),
    "engine": lambda s: s.scatter(backend="thread").map(abs).buffer(20).gather(),
}


@pytest.mark.parametrize("way", ["emit", "metadata", "emit_many"])
@pytest.mark.parametrize("build", PIPELINES.values(), ids=PIPELINES.keys())
def test_no_interrupt_is_lost(build, way):
    fired, caught, returned, arrived = 0, 0, 0, []

    def handler(*_):
        nonlocal fired
        fired += 1
        raise Stop

    source = Stream()
    build(source).sink(arrived.append)
    emit = {
        "emit": lambda x: source.emit(x),
        "metadata": lambda x: source.emit(x, metadata=[{"ref": RefCounter(cb=lambda: None)}]),
        "emit_many": lambda x: source.emit_many([x]),
    }[way]

    def emit_until(due):
        nonlocal returned
        while fired < due:
            emit(returned)
            returned += 1

    draw = random.Random(4)
    # An exception raised during garbage collection would be lost.
    gc.collect()
    gc.disable()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(40):
            due = fired + 1
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.0003, 0.003))
                emit_until(due)
            except Stop:
                caught += 1
                # The interrupted element may or may not have been accepted.
                returned += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    source.drain()
    assert caught == fired
    # All elements except interrupted ones were accepted; `latest` drops on purpose.
    if build is not PIPELINES["latest"]:
        assert len(set(range(returned)) - set(arrived)) <= caught
        assert len(arrived) == len(set(arrived))


def test_an_interrupt_in_a_callback_of_a_counter_reaches_the_emitter():
    def interrupt():
        raise KeyboardInterrupt

    source = Stream()
    L = source.sink_to_list()
    with pytest.raises(KeyboardInterrupt):
        source.emit(1, metadata=[{"ref": RefCounter(cb=interrupt)}])
    source.emit(2)
    assert L == [1, 2]


ENDLESS = {
    "an iterator": lambda: iter(int, 1),
    "a generator": lambda: (x for x in iter(int, 1)),
    "itertools": lambda: itertools.repeat(0),
    "a long sequence": lambda: range(10**10),
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("build", [lambda s: s.map(lambda x: x), lambda s: s, lambda s: s.map(abs).partition(10)])
def test_emit_many_ends_with_an_interrupt(build, name):
    def handler(*_):
        raise Stop

    source = Stream()
    build(source).sink(lambda x: None)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop):
            source.emit_many(ENDLESS[name]())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    L = source.sink_to_list()
    source.emit_many([1, 2])
    assert L == [1, 2]


def test_emit_many_sends_nothing_after_an_exit():
    def leave(x):
        if x == 2:
            raise SystemExit(3)

    source = Stream()
    source.sink(leave)
    L = source.sink_to_list()
    with pytest.raises(SystemExit):
        source.emit_many(iter(range(100_000)))
    assert len(L) < 100_000


def test_an_interrupt_ends_the_wait_for_a_silent_server():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with server.accept()[0]:
                os.kill(os.getpid(), signal.SIGINT)
                ended.wait()

        ended = threading.Event()
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                Database(f"postgres://127.0.0.1:{server.getsockname()[1]}/rivers?connect_timeout=60")
        finally:
            ended.set()
            accepting.join()
