"""Streams under kills, stops, failures, large values and early ends: nothing is lost, doubled or out of order."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from contextlib import suppress

import pytest

pytest.importorskip("thalweg.core")

from support import PATIENCE
from thalweg import Retry, Stream
from thalweg.tasks import Client


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def grow(x):
    """Return a large value now and then, which is sent another way."""
    return (x, b"." * (200_000 if x % 17 == 0 else x % 5))


def shrink(pair):
    x, data = pair
    if x % 13 == 5:
        raise ArithmeticError(x)
    return x, len(data)


def total(state, pair):
    return state + pair[0]


STEPS = (
    lambda s: s.map(grow).map(shrink, on_error="skip"),
    lambda s: s.map(grow).buffer(3).map(shrink, on_error=Retry(1, then="skip")),
    lambda s: s.filter(lambda x: x % 3).map(grow).buffer(20).map(shrink, on_error="skip"),
    lambda s: s.map(grow).partition(2).flatten().map(shrink, on_error="skip"),
    lambda s: s.map(grow).zip(s.map(lambda x: -x)).pluck(0).map(shrink, on_error="skip"),
)
ENDS = (
    lambda s: s.buffer(10).gather(),
    lambda s: s.gather(),
    lambda s: s.accumulate(total, start=0).buffer(5).gather(),
    lambda s: s.unique().buffer(2).gather(),
)


def build(random, source):
    return random.choice(ENDS)(random.choice(STEPS)(source)).sink_to_list()


def hit_one(client, chance):
    """Kill or suspend a worker: a silent one is replaced after a while."""
    worker = chance.choice(client._engine.info()["workers"])
    with suppress(ProcessLookupError, TypeError):
        os.kill(worker["pid"], chance.choice([signal.SIGKILL, signal.SIGSTOP]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [False, True])
def test_nothing_is_lost(processes, seed):
    count = 60
    chance = random.Random(seed)
    with Client(n_workers=2, processes=processes, set_as_default=False, worker_ttl="1s") as client:
        # A worker stopped during startup is given a minute.
        client.run(os.getpid)
        for _ in range(2):
            state = chance.getstate()
            here = Stream()
            expected = build(chance, here.map(int))
            chance.setstate(state)
            source = Stream()
            found = build(chance, source.scatter(client))
            here.emit_many(range(count))
            here.drain()
            deaths = chance.sample(range(count), 2) if processes else ()

            def emit_all(source=source, deaths=deaths):
                for x in range(count):
                    if x in deaths:
                        hit_one(client, chance)
                    source.emit(x)

            emitter = threading.Thread(target=emit_all)
            emitter.start()
            emitter.join(PATIENCE)
            assert not emitter.is_alive()
            source.drain()
            assert found == expected
