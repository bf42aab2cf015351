"""Runs random task graphs with many injected faults: `chaos.py KIND MODE SECONDS SEED`.

It is a separate program, since it lowers its descriptor limit and looks for leaks at the end.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sys
import threading
import time

from thalweg.tasks import Client, Event, KilledWorker, Lock, Semaphore
from thalweg.tasks.errors import TaskTimeout

#: Timeout of each wait, in seconds.
BOUND = 30

LARGE = 100_000
SHARED = 1_500_000


class Failed(Exception):
    """Raised by tasks that should fail."""


def total(number, size, inputs):
    """Sum of the numbers of a task and its dependencies, and a payload of the requested size."""
    return number + sum(value for value, _ in inputs), bytes(size)


def fails(number, size, inputs):
    raise Failed(number)


def dies(number, size, inputs):
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(BOUND)


def stops(number, size, inputs):
    os.kill(os.getpid(), signal.SIGSTOP)
    # The other threads may stop before this one.
    time.sleep(BOUND)


def forks(number, size, inputs):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return total(number, size, inputs)


def hangs(number, size, inputs):
    with Lock("held by those who are ended"):
        Event("never").wait()


def locks(number, size, inputs):
    with Lock("held by those who are ended"), Semaphore(2, "two"):
        return total(number, size, inputs)


#: Each kind of task: its weight, and the exception it raises.
KINDS = {
    total: (20, None),
    fails: (2, Failed),
    locks: (3, None),
    hangs: (1, TaskTimeout),
}
KINDS_OF_PROCESSES = {
    **KINDS,
    forks: (1, None),
    dies: (1, KilledWorker),
    stops: (1, KilledWorker),
}


class Play:
    """Task graphs, and their expected results."""

    def __init__(self, client, kind, seed):
        self.client = client
        self.kinds = KINDS if kind == "threads" else KINDS_OF_PROCESSES
        self.random = random.Random(seed)
        self.tasks = 0
        self.gate = threading.Event()

    def graph(self):
        """Submit a graph, and return futures with the expectation of each: a number, or the type of an error."""
        futures, expected = [], []
        for number in range(self.random.randrange(5, 40)):
            (function,) = self.random.choices(list(self.kinds), [weight for weight, _ in self.kinds.values()])
            needs = self.random.sample(range(number), min(number, self.random.choice([0, 0, 1, 2, 3])))
            size = self.random.choice([0, 0, 0, 1_000, LARGE, SHARED])
            timeout = 0.2 if function is hangs else None
            inputs = [futures[need] for need in needs]
            future = self.client.submit(function, number, size, inputs, pure=False, time_limit=timeout)
            if self.random.random() < 0.1:
                future.add_done_callback(lambda _: self.gate.wait(0.03))
            if self.random.random() < 0.1:
                future.add_done_callback(self.submit_another)
            futures.append(future)
            expected.append(self.expect(function, number, [expected[need] for need in needs]))
        self.tasks += len(futures)
        return futures, expected

    def submit_another(self, future):
        """Wait for the engine inside a callback."""
        if future.status == "finished" and not self.client.asynchronous:
            future.result()

    def expect(self, function, number, needs):
        errors = {error for need in needs if not isinstance(need, int) for error in need}
        if errors:
            return frozenset(errors)
        _, error = self.kinds[function]
        if error is not None:
            return frozenset({error})
        return number + sum(needs)

    def check(self, function, value, error):
        """Compare the outcome with the expectation."""
        if isinstance(function, int):
            if error is not None:
                raise AssertionError(f"{function} was expected, not {error!r}")
            if value[0] != function:
                raise AssertionError(f"{function} was expected, not {value[0]}")
        elif error is None or not isinstance(error, tuple(function)):
            raise AssertionError(f"{function} was expected, not {error!r}, {value!r:.40}")

    def some(self, futures, expected):
        """Futures to check, in random order; the others are dropped or cancelled."""
        chosen = list(zip(futures, expected, strict=True))
        self.random.shuffle(chosen)
        dropped = self.random.randrange(len(chosen) // 2)
        return chosen[dropped:]


def block(play, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for future, expected in play.some(*play.graph()):
            value = error = None
            try:
                value = future.result(BOUND)
            except Exception as raised:
                error = raised
            play.check(expected, value, error)


async def await_(play, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        chosen = play.some(*play.graph())
        got = await asyncio.wait_for(asyncio.gather(*(_outcome(future) for future, _ in chosen)), BOUND * 2)
        for (_, expected), (value, error) in zip(chosen, got, strict=True):
            play.check(expected, value, error)


async def _outcome(future):
    try:
        return await future, None
    except Exception as error:
        return None, error


def left():
    """Existing processes, descriptors, shared memory and threads."""
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        processes = len(children.read().split())
    return processes, len(os.listdir("/proc/self/fd")), len(os.listdir("/dev/shm")), len(os.listdir("/proc/self/task"))


def start(kind, asynchronous):
    processes = {"processes": True, "worker_ttl": "0.5s"} if kind == "processes" else {}
    return Client(n_workers=2, threads_per_worker=2, asynchronous=asynchronous, **processes)


def main(kind, mode, seconds, seed):
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with Client(n_workers=1) as client:
        # Resources that stay for good exist once a task has run.
        client.submit(abs, -1).result(BOUND)
    before = left()
    if mode == "blocking":
        with start(kind, False) as client:
            play = Play(client, kind, seed)
            block(play, seconds)
    else:

        async def run():
            async with start(kind, True) as client:
                play = Play(client, kind, seed)
                await await_(play, seconds)
                return play

        play = asyncio.run(run())
    sys.stdout.write(f"{play.tasks}\n")
    end = time.monotonic() + BOUND
    while any(now > then for now, then in zip(left(), before, strict=True)):
        if time.monotonic() > end:
            raise AssertionError(f"processes, descriptors, memory, threads: {left()} are left of {before}")
        threading.Event().wait(0.05)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
