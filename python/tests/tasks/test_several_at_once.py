"""Several names locked at once, and several values taken from a queue at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from thalweg.tasks import Client, MultiLock, Queue, Semaphore, wait

MODES = {"threads": {"n_workers": 4}, "processes": {"processes": True, "n_workers": 2, "threads_per_worker": 2}}


@pytest.fixture(params=MODES)
def client(request):
    with Client(**MODES[request.param]) as client:
        yield client


def in_background(function, *args):
    """Call a function on a thread; return a function that joins it and returns the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()

    def join():
        thread.join(60)
        return results[0]

    return join


def until_waiting(client, kind, name, count):
    """Wait until this many requests wait for a primitive."""
    from thalweg.tasks.client import registry

    coordinator = registry.shared(client.engine).coordinator
    pause = threading.Event()
    for _ in range(60_000):
        if sum((request.kind, request.name) == (kind, name) for request in list(coordinator._waiting)) == count:
            return
        pause.wait(0.001)
    raise AssertionError("nobody waits")


# Locks


def add_one(names, shared):
    with MultiLock(names):
        queue = Queue(shared)
        queue.put(queue.get() + 1)


def test_names_are_locked_together(client):
    Queue("total").put(0)
    pairs = [["a", "b"], ["b", "c"], ["c", "a"], ["a"], ["b", "a", "c"]] * 3
    # All share one name; without it the pairs could wait for each other in a cycle.
    client.gather(client.map(add_one, [[*pair, "common"] for pair in pairs], ["total"] * len(pairs)))
    assert Queue("total").get() == len(pairs)


def test_a_held_name_excludes_others(client):
    first, second, third = MultiLock(["a", "b"]), MultiLock(["b", "c"]), MultiLock(["d"])
    assert first.acquire() and third.acquire()
    assert first.locked() and not second.locked()
    assert second.acquire(timeout=0) is False
    assert second.acquire(blocking=False) is False
    waiting = in_background(second.acquire)
    until_waiting(client, "multi_lock", "all", 1)
    first.release()
    assert waiting() is True and second.locked()
    with pytest.raises(RuntimeError, match="not held"):
        first.release()
    with pytest.raises(RuntimeError, match="held already"):
        second.acquire()
    with pytest.raises(ValueError, match="timeout"):
        first.acquire(blocking=False, timeout=1)


def test_acquiring_some_of_the_names(client):
    one = MultiLock(["a"])
    assert one.acquire()
    some = MultiLock(["a", "b", "c"])
    assert some.acquire(num_locks=2)
    assert MultiLock(["b"]).acquire(timeout=0) is False
    with pytest.raises(ValueError, match="num_locks: 4"):
        MultiLock(["a", "b", "c"]).acquire(num_locks=4)


def test_waiters_are_not_overtaken(client):
    first, second, third = MultiLock(["a"]), MultiLock(["a", "b"]), MultiLock(["b"])
    assert first.acquire()
    second_waits = in_background(second.acquire, True, "60s")
    until_waiting(client, "multi_lock", "all", 1)
    third_waits = in_background(third.acquire)
    until_waiting(client, "multi_lock", "all", 2)
    first.release()
    assert second_waits() is True and not third.locked()
    second.release()
    assert third_waits() is True


def test_a_timed_out_acquire_does_not_block_others(client):
    first, second, third = MultiLock(["a"]), MultiLock(["a", "b"]), MultiLock(["b"])
    assert first.acquire()
    second_waits = in_background(second.acquire, True, 0.2)
    until_waiting(client, "multi_lock", "all", 1)
    third_waits = in_background(third.acquire)
    assert second_waits() is False
    assert third_waits() is True


def lock_and_end(names):
    import os

    MultiLock(names).acquire()
    os._exit(1)


def test_names_held_by_a_dead_worker_are_released():
    with Client(processes=True, n_workers=1) as client:
        assert client.submit(lock_and_end, ["a", "b"]).exception() is not None
        assert MultiLock(["b"]).acquire(timeout="60s")


def test_locks_in_a_loop():
    async def main():
        async with Client(n_workers=2, asynchronous=True):
            async with MultiLock(["a", "b"]):
                other = MultiLock(["b"])
                assert await other.acquire(timeout=0.01) is False
            assert await other.acquire() is True
            assert await other.release() is None

    asyncio.run(main())


# Queues


def test_a_batch_waits_for_enough_values(client):
    queue = Queue("values")
    waiting = in_background(queue.get, None, 3)
    until_waiting(client, "queue", "values", 1)
    for number in range(4):
        queue.put(number)
    assert waiting() == [0, 1, 2]
    assert queue.get(batch=True) == [3] and queue.get(batch=True) == []
    with pytest.raises(ValueError, match="batch: at least 1"):
        queue.get(batch=0)


def test_a_batch_may_be_larger_than_the_queue(client):
    queue = Queue("small", maxsize=2)
    waiting = in_background(queue.get, None, 5)
    until_waiting(client, "queue", "small", 1)
    for number in range(5):
        queue.put(number, timeout="60s")
    assert waiting() == [0, 1, 2, 3, 4]
    queue.put(5)
    queue.put(6)
    with pytest.raises(TimeoutError):
        queue.put(7, timeout=0)


def test_the_first_waiter_is_served_first(client):
    queue = Queue("values")
    many = in_background(queue.get, None, 2)
    until_waiting(client, "queue", "values", 1)
    one = in_background(queue.get)
    until_waiting(client, "queue", "values", 2)
    for number in range(3):
        queue.put(number)
    assert (many(), one()) == ([0, 1], 2)


def give_up(queue):
    with pytest.raises(TimeoutError):
        queue.get(timeout=0.2, batch=2)


def test_a_timed_out_batch_keeps_no_values(client):
    queue = Queue("values")
    many = in_background(give_up, queue)
    until_waiting(client, "queue", "values", 1)
    one = in_background(queue.get)
    until_waiting(client, "queue", "values", 2)
    queue.put(1)
    many()
    assert one() == 1 and queue.qsize() == 0


def take(count):
    return Queue("values").get(batch=count, timeout="60s")


def test_tasks_get_batches(client):
    futures = client.map(take, [2, 2, 2])
    for number in range(6):
        Queue("values").put(number)
    wait(futures)
    taken = client.gather(futures)
    assert sorted(number for batch in taken for number in batch) == list(range(6))


def test_batches_in_a_loop():
    async def main():
        async with Client(n_workers=1, asynchronous=True):
            queue = Queue("values")
            waiting = asyncio.ensure_future(queue.get(batch=2))
            await queue.put(1)
            await queue.put(2)
            assert await waiting == [1, 2]
            with pytest.raises(TimeoutError):
                await queue.get(batch=2, timeout=0.01)

    asyncio.run(main())


def test_semaphore_release_returns_true(client):
    semaphore = Semaphore(1, "connections")
    assert semaphore.acquire() is True
    assert semaphore.release() is True
