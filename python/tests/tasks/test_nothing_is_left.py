"""Ten thousand tasks that are submitted, cancelled and dropped leak nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from support import PATIENCE
from thalweg.tasks import Client, Event, Queue, as_completed, get_client, wait


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def engine_threads() -> int:
    """Number of engine threads, which may end shortly after their client is closed."""
    threads = 0
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/comm") as name:
                threads += name.read().startswith("thalweg")
        except OSError:
            pass  # It may be ending.
    return threads


def total(x: int, others: list[int]) -> int:
    return x + sum(others)


def cycle(client: Client, number: int) -> None:
    future = client.submit(abs, -number)
    dependent = client.submit(total, future, [future, 1])
    match number % 4:
        case 0:
            assert dependent.result() >= 1
        case 1:
            future.cancel()
        case 2:
            dependent.cancel()
        case _:
            del future


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not say how much memory is used")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("processes", [False, True])
def test_cycles_leak_no_memory_threads_or_files(processes: bool) -> None:
    with Client(processes=processes, n_workers=2 if processes else 1, threads_per_worker=2) as client:

        def some(count: int) -> tuple[int, int, int]:
            for number in range(count):
                cycle(client, number)
            client.submit(abs, 1).result()
            gc.collect()
            return resident(), threading.active_count(), descriptors()

        some(3_000)
        memory, threads, files = some(1_000)
        more_memory, more_threads, more_files = some(10_000)
    # A cycle makes two tasks and two futures: leaking them would take 5 MiB or more.
    assert more_memory - memory < 3 << 20
    assert (more_threads, more_files) == (threads, files)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("start", [lambda: Client(n_workers=1, threads_per_worker=2), lambda: Client(processes=True)])
def test_clients_leak_no_threads_files_or_processes(start: Callable[[], Client]) -> None:
    def children() -> int:
        return len(open(f"/proc/self/task/{os.getpid()}/children").read().split())

    def some(count: int) -> tuple[int, int, int]:
        for _ in range(count):
            with start() as client:
                assert client.submit(abs, -1).result() == 1
        gc.collect()
        end = time.monotonic() + PATIENCE
        while engine_threads() > before and time.monotonic() < end:
            time.sleep(0.001)
        return threading.active_count(), descriptors(), children()

    before = engine_threads()
    assert some(2) == some(10)


async def _awaited(future):
    return await future


WAITS = {
    "wait": lambda client, future: wait(future, timeout=0.01),
    "as_completed": lambda client, future: next(as_completed([future], timeout=0.01)),
    "await": lambda client, future: asyncio.run(asyncio.wait_for(_awaited(future), 0.01)),
    "gather": lambda client, future: asyncio.run(asyncio.wait_for(client.gather([future], asynchronous=True), 0.01)),
}


@pytest.mark.parametrize("how", WAITS)
def test_a_wait_that_timed_out_does_not_keep_its_task(how: str) -> None:
    gate = threading.Event()
    with Client(n_workers=1) as client:
        busy, future = client.submit(gate.wait), client.submit(abs, -1)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            WAITS[how](client, future)
        del future
        gc.collect()
        waiting = client.engine.info()["pending"]
        gate.set()
        assert busy.result() and not waiting


class Job:
    """Refers to the future of its own method."""

    def __init__(self) -> None:
        self.future: Any = None
        self.results: list[Any] = []

    def work(self, divisor: float) -> list[Any]:
        self.results.append(1 / divisor)
        return self.results


def fail_here(client: Client, job: Job) -> None:
    future = client.submit(job.work, 0)
    # The exception refers to this function, and with it to the future and the job.
    with pytest.raises(ZeroDivisionError):
        future.result()


def fail_in_gather(client: Client, job: Job) -> None:
    futures = client.map(job.work, [0, 0])
    with pytest.raises(ZeroDivisionError):
        client.gather(futures)


def fail_with_a_key(client: Client, job: Job) -> None:
    futures = [client.submit(divmod, 1, 0, key="failing")]
    with pytest.raises(ZeroDivisionError):
        for future in as_completed(futures):
            future.result()


def fail_in_a_loop(client: Client, job: Job) -> None:
    async def main() -> None:
        future = client.submit(job.work, 0)
        with pytest.raises(ZeroDivisionError):
            await future

    asyncio.run(main())


def fail_in_a_method(client: Client, job: Job) -> None:
    job.future = client.submit(job.work, 0)
    assert job.future.exception() is not None


def return_what_refers_to_the_future(client: Client, job: Job) -> None:
    job.future = client.submit(job.work, 1)
    job.future.result().append(job)


FORGOTTEN = [
    fail_here,
    fail_in_gather,
    fail_with_a_key,
    fail_in_a_loop,
    fail_in_a_method,
    return_what_refers_to_the_future,
]


@pytest.mark.parametrize("run", FORGOTTEN)
def test_the_collector_finds_futures_that_their_outcomes_refer_to(run: Callable[[Client, Job], None]) -> None:
    with Client(n_workers=1) as client:
        jobs: weakref.WeakSet[Job] = weakref.WeakSet()
        for _ in range(5):
            job = Job()
            jobs.add(job)
            run(client, job)
            del job
        # The thread of the last task may be about to let go of it.
        client.submit(abs, 1).result()
        end = time.monotonic() + PATIENCE
        while len(jobs) > 0 and time.monotonic() < end:
            gc.collect()
        assert len(jobs) == 0


def test_the_collector_takes_nothing_from_a_future_that_is_held() -> None:
    with Client(n_workers=1) as client:
        failed, done = client.submit(divmod, 1, 0), client.submit(list, "ab")
        for _ in range(3):
            with pytest.raises(ZeroDivisionError) as caught:
                failed.result()
            assert done.result() == ["a", "b"]
            lines = len(list(caught.traceback))
            del caught
            gc.collect()
        # It does not grow either.
        assert lines <= 2
        failed.retry()
        assert isinstance(failed.exception(), ZeroDivisionError)


def absolute(x: int) -> int:
    return get_client().submit(abs, x, pure=False).result()


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="the system does not say what is mapped")
def test_threads_that_ran_tasks_in_the_place_of_waiting_ones_leave_no_stacks(one_at_a_time):
    def mapped():
        with open("/proc/self/maps") as maps:
            return len(maps.readlines())

    before = mapped()
    for x in range(200):
        assert one_at_a_time.submit(absolute, -x).result(PATIENCE) == x
    assert mapped() - before < 200


async def awaited(future, seconds):
    await asyncio.wait_for(future, seconds)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda future: wait([future], timeout=0),
        lambda future: wait([future], timeout=0, return_when="FIRST_COMPLETED"),
        lambda future: list(as_completed([future], timeout=0)),
        lambda future: asyncio.run(awaited(future, 0.0001)),
    ],
    ids=["wait", "wait for the first", "as_completed", "await"],
)
def test_waits_that_were_given_up_leave_nothing_at_a_task_that_goes_on(client, attempt):
    def callbacks() -> int:
        gc.collect()
        names = {"settled.<locals>.ended", "as_completed.update.<locals>.note", "wait.<locals>.done"}
        return sum(getattr(each, "__qualname__", None) in names for each in gc.get_objects())

    end = threading.Event()
    future = client.submit(end.wait)
    # Other tests may have left some.
    before = callbacks()
    try:
        for _ in range(200):
            with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                attempt(future)
        assert callbacks() - before < 50
    finally:
        end.set()
    assert future.result(PATIENCE) is True


def threads_of_given_up_waits(attempts: int) -> tuple[int, list[int]]:
    """Wait for a task again and again in a worker process; return how many threads that takes, and what came of it."""
    client = get_client()
    gate = Event("gate")
    future = client.submit(gate.wait)
    before, most = threading.active_count(), 0
    for _ in range(attempts):
        for attempt in (lambda: wait([future], timeout=0), lambda: list(as_completed([future], timeout=0))):
            with pytest.raises(TimeoutError):
                attempt()
            most = max(most, threading.active_count() - before)
    called: Queue = Queue()
    future.add_done_callback(lambda future: called.put(future.result()))
    gate.set()
    others = client.map(abs, range(100), pure=False)
    for _other in as_completed(others):
        most = max(most, threading.active_count() - before)
    return most, [*sorted(each.result() for each in others)[-2:], int(called.get(timeout=PATIENCE))]


def test_waits_of_a_task_in_a_worker_process_share_a_thread():
    with Client(processes=True, n_workers=2) as client:
        most, results = client.submit(threads_of_given_up_waits, 50).result(PATIENCE)
    assert results == [98, 99, 1]
    assert most < 8
