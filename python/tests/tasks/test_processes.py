"""The client with worker processes."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import threading
import time

import pytest

from thalweg.tasks import (
    AioClient,
    CancelledError,
    Client,
    Event,
    KilledWorker,
    Lock,
    Queue,
    UnpicklableError,
    as_completed,
    fire_and_forget,
    get_client,
    get_worker,
    rejoin,
    secede,
    wait,
    worker_client,
)


@pytest.fixture(scope="module")
def client():
    with Client(processes=True, n_workers=2, threads_per_worker=2) as client:
        yield client


def increment(x):
    return x + 1


def forever(name=None):
    if name is not None:
        Event(name).set()
    while True:
        time.sleep(0.01)


def test_workers_are_other_processes(client):
    pids = client.run(os.getpid)
    assert len(set(pids.values()) | {os.getpid()}) == 3
    assert client.nthreads() == dict.fromkeys(pids, 2)
    assert client.submit(lambda: get_worker().pid).result() in pids.values()
    assert client._engine.width == 4


def test_a_time_limit_stops_the_work(client):
    with pytest.raises(TimeoutError, match=r"longer than 0\.05 s"):
        client.submit(forever, time_limit="50ms").result(timeout=60)
    assert client.submit(increment, 1).result(timeout=60) == 2


def begin_when_there_is(path):
    for _ in range(6000):
        if os.path.exists(path):
            return
        time.sleep(0.01)


def test_a_worker_may_take_longer_to_start_than_a_task_to_run(tmp_path):
    """Only the call is limited: a replacement worker has to import all its modules."""
    path = tmp_path / "begin"
    with Client(processes=True, n_workers=1, initializer=begin_when_there_is, initargs=(str(path),)) as client:
        future = client.submit(increment, 1, time_limit="500ms")
        with pytest.raises(TimeoutError):
            wait(future, timeout=1)
        path.touch()
        assert future.result(timeout=60) == 2


class ReadsSlowly:
    """A function whose module is slow to import."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return read_when_there_is, (self.path,)

    def __call__(self, x):
        return x + 1


def read_when_there_is(path):
    begin_when_there_is(path)
    return ReadsSlowly(path)


def test_imports_do_not_count_against_the_time_limit(client, tmp_path):
    path = tmp_path / "begin"
    future = client.submit(ReadsSlowly(str(path)), 1, time_limit="10ms")
    with pytest.raises(TimeoutError):
        wait(future, timeout=0.2)
    path.touch()
    assert future.result(timeout=60) == 2
    # The function is known now, so its whole run counts.
    with pytest.raises(TimeoutError, match=r"longer than 0\.05 s"):
        client.submit(forever, time_limit="50ms").result(timeout=60)


def test_cancelling_by_force_stops_the_work(client):
    future = client.submit(forever, "by force")
    assert Event("by force", client).wait(timeout=60)
    pids = set(client.run(os.getpid).values())
    client.cancel(future, force=True)
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    assert client.submit(increment, 1).result(timeout=60) == 2
    assert set(client.run(os.getpid).values()) != pids


def test_a_dead_worker_fails_its_tasks_and_is_replaced(client):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(KilledWorker, match="die"):
        client.submit(die).result(timeout=60)
    assert client.gather(client.map(increment, range(10))) == list(range(1, 11))


def test_values_that_cannot_be_pickled_are_named(client):
    with pytest.raises(UnpicklableError, match="argument 1"):
        client.submit(operator.add, 1, threading.Lock()).result(timeout=60)


def test_tasks_that_start_tasks(client):
    def tree(depth):
        if depth == 0:
            return 1
        with worker_client() as client:
            futures = client.map(tree, [depth - 1] * 2)
            return client.submit(sum, futures).result()

    assert client.submit(tree, 3).result(timeout=60) == 8


def test_client_calls_from_inside_a_task(client):
    def everything():
        client = get_client()
        secede()
        one, bad = client.submit(increment, 1, key="one"), client.submit(increment, "x")
        found = [
            one.result(60),
            one.key,
            repr(one),
            client.gather({"a": [one, one]}),
            client.gather(client.scatter([5, 6])),
            type(bad.exception(60)).__name__,
            bad.status,
            client.gather([one, bad], errors="skip"),
            wait([one, bad]).not_done,
            sorted(future.result() for future in as_completed(client.map(increment, range(3)))),
            client.submit(increment, one).result(),
            client.get({"a": 1, "b": (increment, "a")}, ["a", "b"]),
            client._engine.find("one").key,
            len(client.run(os.getpid)),
            client._engine.width,
        ]
        waiting = client.submit(Event("of a task").wait)
        try:
            waiting.result(timeout=0.01)
        except TimeoutError:
            found.append("late")
        waiting.cancel()
        found.append(waiting.cancelled())
        fire_and_forget(client.submit(lambda: Event("forgotten").set()))
        rejoin()
        return found

    assert client.submit(everything).result(timeout=60) == [
        2, "one", "<Future: finished, key: one>", {"a": [2, 2]}, [5, 6], "TypeError", "error", [2], set(),
        [1, 2, 3], 3, [1, 2], "one", 2, 4, "late", True,
    ]  # fmt: skip
    assert Event("forgotten", client).wait(timeout=60)


def test_futures_dropped_by_a_task_are_released(client):
    def use():
        with worker_client() as client:
            for _ in range(5):
                client.gather(client.map(increment, range(10)))
            return client.submit(increment, 1).result()

    from thalweg.tasks.client import registry

    assert client.submit(use).result(timeout=60) == 2
    assert client.submit(use).result(timeout=60) == 2
    # Releases are sent with the next request, so a few futures per worker may be left.
    known = registry.shared(client._engine)._requests._workers.values()
    assert sum(len(worker.futures) for worker in known) < 30


def test_asynchronous_functions_in_a_worker(client):
    async def both(x):
        client = get_client()
        async with Lock("both"):
            return await asyncio.gather(*client.map(increment, [x, x + 1]))

    def here(x):
        secede()
        return asyncio.run(both(x))

    assert client.submit(here, 1).result(timeout=60) == [2, 3]


def test_locks_and_queues_between_processes(client):
    def work(i):
        with Lock("between"):
            order = Queue("order")
            order.put(("enter", i))
            order.put(("leave", i))

    client.gather(client.map(work, range(20)))
    noted = Queue("order", client).get(batch=True)
    assert len(noted) == 40
    for enter, leave in zip(noted[::2], noted[1::2]):
        assert (enter[0], leave[0]) == ("enter", "leave")
        assert enter[1] == leave[1]


def test_a_lock_as_an_argument(client):
    lock = Lock("argument", client)
    with lock:
        future = client.submit(lambda lock: lock.acquire(timeout=0.01), lock)
        assert not future.result(timeout=60)


def test_with_an_asynchronous_client():
    async def main():
        async with AioClient(processes=True, n_workers=1) as client:
            event = Event("asynchronously")
            future = client.submit(lambda: Event("asynchronously").wait())
            await event.set()
            return await future, await client.gather(client.map(increment, range(3)))

    assert asyncio.run(main()) == (True, [1, 2, 3])


def test_dask_collections(client):
    da = pytest.importorskip("dask.array")
    from dask import delayed

    assert client.compute(delayed(sum)([delayed(increment)(i) for i in range(5)])).result() == 15
    x = da.arange(1000, chunks=100)
    persisted = client.persist(x + 1)
    assert client.compute(persisted.sum()).result() == 500_500
    assert (client.compute(x.reshape(10, 100).T @ x.reshape(10, 100)).result()
            == (x.reshape(10, 100).T @ x.reshape(10, 100)).compute(scheduler="sync")).all()  # fmt: skip
    assert persisted.sum().compute(scheduler="threads") == 500_500


def test_an_executor(client):
    with client.get_executor() as executor:
        assert list(executor.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]

        async def main():
            return await asyncio.get_running_loop().run_in_executor(executor, pow, 2, 3)

        assert asyncio.run(main()) == 8
    with pytest.raises(TimeoutError):
        client.get_executor(time_limit=0.05).submit(forever).result(60)


def test_a_time_limit_stops_a_blocking_call_under_asyncio(client):
    """The loop abandons a blocking call, which really stops."""

    async def main():
        loop = asyncio.get_running_loop()
        executor = client.get_executor(time_limit=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.run_in_executor(executor, forever), 60)

    asyncio.run(main())
    assert client.gather(client.map(increment, range(8))) == list(range(1, 9))


def test_no_process_is_left_behind(python):
    program = (
        "import os\n"
        "from thalweg.tasks import Client\n"
        "client = Client(processes=True, n_workers=2)\n"
        "print(*client.run(os.getpid).values())\n"
    )
    done = python("-c", program)
    assert (done.stderr, done.returncode) == ("", 0)
    for pid in done.stdout.split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def note(pair):
    array, processes = pair
    return array + 1, [*processes, os.getpid()]


def test_large_values_stay_where_they_were_made(client):
    np = pytest.importorskip("numpy")
    # The value travels only to and from the worker: all tasks run where it is.
    future = (np.zeros(1_000_000), [])
    for _ in range(3):
        future = client.submit(note, future)
    array, processes = future.result()
    assert len(processes) == 3
    assert len(set(processes)) == 1
    assert array.sum() == 3_000_000
    array += 1  # The caller owns the result.


def test_a_task_calls_a_function_on_all_workers_without_waiting_for_it():
    with Client(processes=True, n_workers=1) as client:
        assert client.submit(lambda: get_client().run(Event("called").set, wait=False)).result(60) is None
        assert Event("called").wait(60)
