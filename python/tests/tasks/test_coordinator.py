"""Locks and other synchronization primitives, from this process and from workers."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from thalweg.tasks import Event, Lock, Queue, Semaphore, Variable, assembly
from thalweg.tasks.client import registry
from thalweg.tasks.process import engine_proxy


@pytest.fixture
def remote(client, monkeypatch):
    """As in a worker process: states are remote, and requests are bytes."""
    parent = registry.shared(client._engine)

    def ask(question: bytes, waits: bool) -> bytes:
        reply: Future[bytes] = Future()
        parent.answer(1, question, reply.set_result)
        return reply.result(60)

    coordinator = parent.coordinator
    monkeypatch.setattr(registry, "is_worker", lambda: True)
    monkeypatch.setattr(assembly, "is_worker", lambda: True)
    monkeypatch.setattr(engine_proxy, "ask", ask)
    monkeypatch.setattr(engine_proxy, "_engine", None)
    yield coordinator
    monkeypatch.undo()


def test_from_a_worker_process(remote):
    event, lock, queue, variable = Event("a"), Lock("a"), Queue("a", maxsize=1), Variable("a")
    assert not event.wait(timeout=0.01)
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(Event("a").wait)
        event.set()
        assert waiting.result(60)
    assert event.is_set()
    with lock:
        assert not Lock("a").acquire(timeout="10ms")
        assert lock.locked()
    assert not lock.locked()
    queue.put({"x": 1})
    with pytest.raises(TimeoutError):
        queue.put(2, timeout=0.01)
    assert Queue("a").get() == {"x": 1}
    with pytest.raises(TimeoutError):
        queue.get(timeout=0.01)
    variable.set(3)
    assert Variable("a").get() == 3
    semaphore = Semaphore(1, "a")
    assert semaphore.acquire()
    assert not Semaphore(1, "a").acquire(timeout=0.01)
    semaphore.release()
    with pytest.raises(RuntimeError, match="no lease"):
        semaphore.release()


FIRST = """
from thalweg.tasks import Client

def use_all():
    from thalweg.distributed import Event, Lock, MultiLock, Queue, Semaphore, Variable
    Event("a").set()
    Queue("a").put(1)
    Variable("a").set(2)
    with Lock("a"), MultiLock(["a", "b"]), Semaphore(1, "a"):
        return Event("a").is_set(), Queue("a").get(), Variable("a").get()

if __name__ == "__main__":
    with Client(processes=True, n_workers=1) as client:
        print(client.submit(use_all).result())
"""


def test_a_worker_process_may_be_the_first_to_use_one(tmp_path):
    script = tmp_path / "first.py"
    script.write_text(FIRST)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (run.stdout, run.stderr) == ("(True, 1, 2)\n", "")


def test_a_timed_out_get_loses_no_value(remote):
    queue = Queue("late")
    with pytest.raises(TimeoutError):
        queue.get(timeout=0.01)
    queue.put(1)
    assert queue.get() == 1
    lock = Lock("late")
    lock.acquire()
    assert not lock.acquire(timeout=0.01)
    lock.release()
    assert lock.acquire(timeout=60)


def test_asynchronously_from_a_worker_process(remote):
    import asyncio

    async def main():
        async with Lock("mine") as lock:
            assert isinstance(lock, Lock)
            return remote.ask("lock", "mine", "locked").result()

    assert asyncio.run(main())


@pytest.mark.parametrize("make", [Event, Lock, lambda name: Semaphore(2, name), Queue, Variable])
def test_pickling_keeps_type_and_name(client, make):
    one = make("mine")
    other = pickle.loads(pickle.dumps(one))
    assert (type(other), other.name) == (type(one), "mine")
    assert "mine" in repr(one)
    assert make(None).name != make(None).name


def test_without_a_client():
    with pytest.raises(ValueError, match="no client"):
        Event("mine")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Semaphore(0),
        lambda: Semaphore(True),
        lambda: Semaphore("2"),  # type: ignore[arg-type]
        lambda: Queue(maxsize=-1),
        lambda: Queue(maxsize="1"),  # type: ignore[arg-type]
        lambda: Lock("a").acquire(blocking=False, timeout=1),
        lambda: Queue("a").get(batch=0),
        lambda: Event("a").wait(timeout=-1),
    ],
)
def test_invalid_arguments(client, make):
    with pytest.raises(ValueError):
        make()


def test_conflicting_limits_of_one_semaphore_are_refused(client):
    semaphore = Semaphore(2, "mine")
    with pytest.raises(ValueError, match="has 2, not 3"):
        Semaphore(3, "mine")
    semaphore.close()
    assert Semaphore(3, "mine").acquire()


def test_waiters_are_served_in_order(client):
    lock = Lock("mine")
    lock.acquire()
    order = []
    waiting = []
    coordinator = lock._connect()
    for i in range(5):
        waiting.append(coordinator.ask("lock", "mine", "acquire"))
        waiting[-1].add_done_callback(lambda _, i=i: order.append(i))
    waiting[1].cancel()
    for _ in range(4):
        lock.release()
    assert order == [1, 0, 2, 3, 4]
    lock.release()
    assert not lock.locked()


def test_blocked_puts_keep_their_order(client):
    queue = Queue("mine", maxsize=1)
    coordinator = queue._connect()
    puts = [coordinator.ask("queue", "mine", "put", i) for i in range(5)]
    puts[2].cancel()
    assert [queue.get() for _ in range(4)] == [0, 1, 3, 4]
    assert queue.qsize() == 0


def test_many_threads(client):
    total = [0]

    def add():
        for _ in range(100):
            with Lock("total"):
                before = total[0]
                total[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    client.gather([client.submit(add) for _ in range(4)])
    for thread in threads:
        thread.join()
    assert total == [900]
