"""Tasks that wait for other tasks on an engine with one thread: the others run meanwhile."""

from __future__ import annotations

import asyncio
import os

import dask
import pytest

from support import until
from thalweg import Stream
from thalweg.tasks import Client, Event, Lock, Queue, as_completed, get_client, rejoin, secede, wait

#: Timeout of each wait, in seconds.
BOUND = 30


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=1, threads_per_worker=1) as client:
        yield client


def fibonacci(n):
    if n < 2:
        return n
    client = get_client()
    parts = [client.submit(fibonacci, n - 1), client.submit(fibonacci, n - 2)]
    return sum(part.result() for part in parts)


def increment(x):
    return x + 1


def waits():
    futures = get_client().map(increment, range(3))
    done, _ = wait(futures)
    return sum(future.result() for future in done)


def gathers():
    client = get_client()
    return sum(client.gather(client.map(increment, range(3))))


def completes():
    client = get_client()
    return sum(future.result() for future in as_completed(client.map(increment, range(3))))


def asks_for_an_exception():
    return 6 if get_client().submit(increment, 1).exception() is None else 0


def maps():
    return sum(get_client().get_executor().map(increment, range(3)))


def gets_from_a_queue():
    future = get_client().submit(puts)
    return Queue("numbers").get() + future.result()


def puts():
    Queue("numbers").put(6)
    return 0


def waits_for_an_event():
    future = get_client().submit(sets)
    Event("set").wait()
    return future.result()


def sets():
    Event("set").set()
    return 6


def waits_for_a_lock():
    lock = Lock("mine")
    lock.acquire()
    future = get_client().submit(locks)
    # The inner task waits for the lock, and this task for the inner one.
    with pytest.raises(TimeoutError):
        future.result(timeout=0.05)
    lock.release()
    return future.result()


def locks():
    with Lock("mine"):
        return 6


def feeds_a_pipeline():
    source = Stream()
    L = source.scatter(get_client()).map(increment).buffer(2).gather().sink_to_list()
    for x in range(3):
        source.emit(x)
    source.drain()
    return sum(L)


def computes_a_graph():
    numbers = [dask.delayed(increment)(x) for x in range(3)]
    return dask.delayed(sum)(numbers).compute(scheduler=get_client().get)


async def awaits():
    return sum([await future for future in get_client().map(increment, range(3))])


async def awaits_at_once():
    return sum(await asyncio.gather(*get_client().map(increment, range(3))))


async def gathers_later():
    client = get_client()
    return sum(await client.gather(client.map(increment, range(3)), asynchronous=True))


async def waits_later():
    futures = get_client().map(increment, range(3))
    done, _ = await wait(futures, asynchronous=True)
    return sum([await future for future in done])


async def completes_later():
    return sum([await future async for future in as_completed(get_client().map(increment, range(3)))])


async def gives_up():
    # The loop cancels it. The end of the loop does not wait for the other task, which needs this thread.
    left = asyncio.ensure_future(asyncio.wait_for(get_client().submit(Event("never").wait), BOUND))
    await asyncio.sleep(0)
    return 6 if not left.done() else 0


def awaits_on_a_loop_of_its_own():
    return asyncio.run(awaits())


FUNCTIONS = [
    awaits,
    awaits_at_once,
    gathers_later,
    waits_later,
    completes_later,
    gives_up,
    awaits_on_a_loop_of_its_own,
    waits,
    gathers,
    completes,
    asks_for_an_exception,
    maps,
    gets_from_a_queue,
    waits_for_an_event,
    waits_for_a_lock,
    feeds_a_pipeline,
    computes_a_graph,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_task_waits_for_another_task(client, function):
    assert client.submit(function).result(BOUND) == 6
    # Concurrency is back to what it was.
    assert client.gather(client.map(increment, range(20))) == list(range(1, 21))


def test_tasks_wait_for_tasks_at_any_depth(client):
    assert client.submit(fibonacci, 10).result(BOUND) == 55


async def sum_to(n):
    return n + await get_client().submit(sum_to, n - 1) if n else 0


def test_asynchronous_tasks_wait_for_tasks_at_any_depth(client):
    assert client.submit(sum_to, 10).result(BOUND) == 55


def secedes():
    secede()


def count_threads():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted by Linux")
def test_a_task_that_secedes_and_never_rejoins_leaves_no_thread_behind(client):
    before = client.submit(count_threads).result(BOUND)
    for _ in range(20):
        client.submit(secedes).result(BOUND)
    until(lambda: client.submit(count_threads).result(BOUND) <= before + 1)


def test_waiting_after_secede_starts_no_extra_task():
    running, most = [], []

    def run(x):
        running.append(x)
        most.append(len(running))
        running.pop()
        return x

    def outer():
        client = get_client()
        secede()
        # Waiting starts no further task and takes no thread back.
        assert client.submit(run, 1).result() == 1
        assert client.gather(client.submit(run, 2)) == 2
        futures = client.map(run, range(10))
        total = sum(future.result() for future in futures)
        rejoin()
        return total

    with Client(n_workers=1, threads_per_worker=1, processes=False) as client:
        assert client.submit(outer).result(BOUND) == 45
        assert client.gather(client.map(increment, range(3))) == [1, 2, 3]
    assert set(most) == {1}
