"""Locks, leases, values and requests of a worker process that died."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from support import PATIENCE
from thalweg.tasks import (
    CancelledError,
    Client,
    Event,
    KilledWorker,
    Lock,
    Queue,
    Semaphore,
    Variable,
    get_client,
    worker_client,
)
from thalweg.tasks.client import registry
from thalweg.tasks.process.worker_requests import WorkerRequests

#: Timeout of each wait, in seconds.
BOUND = PATIENCE


@pytest.fixture
def client():
    with Client(processes=True, n_workers=2, threads_per_worker=1) as client:
        yield client


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def says_so_and(name, then, *args):
    """Signal that this point is reached, and end this process, or wait to be killed."""
    Event(name).set()
    if then == "dies":
        die()
    Event("never").wait()


def holds_lock(then):
    with Lock("lock"):
        says_so_and("held", then)


def holds_lease(then):
    with Semaphore(2, "semaphore"), Semaphore(2, "semaphore"):
        says_so_and("held", then)


def run_and_end(client, function, then):
    """Run a function that holds something, end its process, and return afterwards."""
    held = Event("held", client)
    # On a busy machine the limit may expire before anything is held: retry with a longer one.
    for limit in (1, 5, BOUND):
        task = client.submit(function, then, time_limit=limit if then == "exceeds its limit" else None)
        while not task.done() and not held.wait(timeout=0.05):
            pass
        if held.is_set():
            break
    assert held.is_set()
    if then == "is cancelled":
        task.cancel(force=True)
    with pytest.raises((KilledWorker, TimeoutError, CancelledError)):
        task.result(timeout=BOUND)


ENDS = ["dies", "exceeds its limit", "is cancelled"]


@pytest.mark.parametrize("then", ENDS)
def test_the_lock_of_a_dead_worker_is_released(client, then):
    run_and_end(client, holds_lock, then)
    assert Lock("lock", client).acquire(timeout=BOUND)


@pytest.mark.parametrize("then", ENDS)
def test_the_leases_of_a_dead_worker_are_released(client, then):
    run_and_end(client, holds_lease, then)
    semaphore = Semaphore(2, "semaphore", client)
    assert semaphore.acquire(timeout=BOUND)
    assert semaphore.acquire(timeout=BOUND)
    assert semaphore.get_value() == 2
    semaphore.release()
    semaphore.release()
    assert semaphore.get_value() == 0


def waits_and_dies(what):
    """Wait for something on a thread, and end this process on request."""
    ask = {
        "lock": lambda: Lock("it").acquire(),
        "semaphore": lambda: Semaphore(1, "it").acquire(),
        "queue": lambda: Queue("it").get(),
        "event": lambda: Event("it").wait(),
        "variable": lambda: Variable("it").get(),
    }[what]
    threading.Thread(target=ask, daemon=True).start()
    Event("die").wait()
    die()


def waiting(client, kind):
    """Number of requests that wait for a kind of primitive."""
    requests = registry.shared(client._engine).coordinator._waiting
    return sum(request.kind == kind for request in list(requests))


def becomes(condition):
    end = time.monotonic() + BOUND
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return condition()


def waits_until_it_has_died(client, what):
    others = 1 if what == "event" else 0
    task = client.submit(waits_and_dies, what)
    assert becomes(lambda: waiting(client, what) > others)
    Event("die", client).set()
    with pytest.raises(KilledWorker):
        task.result(BOUND)
    Event("die", client).clear()


@pytest.mark.parametrize("what", ["lock", "semaphore"])
def test_a_dead_worker_is_granted_nothing(client, what):
    it = {"lock": lambda: Lock("it", client), "semaphore": lambda: Semaphore(1, "it", client)}[what]()
    assert it.acquire()
    waits_until_it_has_died(client, what)
    it.release()
    assert it.acquire(timeout=BOUND)


def test_a_dead_worker_takes_nothing_out_of_a_queue(client):
    queue = Queue("it", client)
    for x in range(3):
        waits_until_it_has_died(client, "queue")
        queue.put(x)
        assert queue.get(timeout=BOUND) == x


@pytest.mark.parametrize("what", ["lock", "semaphore", "queue", "event", "variable"])
def test_a_dead_worker_stops_waiting(client, what):
    if what in ("lock", "semaphore"):
        assert {"lock": Lock("it", client), "semaphore": Semaphore(1, "it", client)}[what].acquire()
    waits_until_it_has_died(client, what)
    assert becomes(lambda: not waiting(client, what))


def gets_and_dies():
    from thalweg.tasks.sync import coordinator

    # The reply arrives, but the worker dies before using it.
    coordinator.RemoteCoordinator.ask = lambda self, *args, **kwargs: (self._ask(1, *args), die())
    Queue("queue").get()


def test_values_in_flight_to_a_dead_worker_are_put_back(client):
    queue = Queue("queue", client)
    queue.put("a")
    queue.put("b")
    with pytest.raises(KilledWorker):
        client.submit(gets_and_dies).result(BOUND)
    # The task fails before its values are put back.
    assert {queue.get(timeout=BOUND), queue.get(timeout=BOUND)} == {"a", "b"}
    assert client.submit(lambda: (Queue("queue").put("c"), Queue("queue").get())).result(BOUND) == (None, "c")


def holds_and_returns():
    return Lock("lock").acquire()


def test_a_lock_outlives_the_task_that_took_it(client):
    assert client.submit(holds_and_returns).result(BOUND)
    lock = Lock("lock", client)
    assert not lock.acquire(timeout=0)
    lock.release()
    assert not lock.locked()


def starts_others_and_dies():
    with worker_client() as client:
        client.submit(lambda: Event("begin").wait())
        client.submit(abs, -1).result()
        die()


def test_futures_of_a_dead_worker_are_released(client):
    with pytest.raises(KilledWorker):
        client.submit(starts_others_and_dies).result(BOUND)
    Event("begin", client).set()
    requests = registry.shared(client._engine)._requests
    assert becomes(lambda: not any(worker.futures for worker in list(requests._workers.values())))


def submits_and_dies(path):
    kept = [get_client().submit(path.touch) for _ in range(3)]
    assert len(kept) == 3
    die()


def test_inner_tasks_of_a_dead_worker_do_not_begin(tmp_path, monkeypatch):
    lose, goes_on = WorkerRequests.lose, threading.Event()
    monkeypatch.setattr(WorkerRequests, "lose", lambda self, worker: (goes_on.wait(BOUND), lose(self, worker)))
    with Client(processes=True, n_workers=1, threads_per_worker=1) as client:
        with pytest.raises(KilledWorker):
            client.submit(submits_and_dies, tmp_path / "inner").result(BOUND)
        last = client.submit(abs, -1)
        # Its locks are released only once a replacement process runs.
        assert becomes(lambda: client.engine.info()["workers"])
        goes_on.set()
        assert last.result(BOUND) == 1
        assert client.engine.info()["pending"] == 0
        assert not (tmp_path / "inner").exists()


def says_where_it_runs():
    Variable("inner").set(os.getpid())
    Event("never").wait()


def submits_what_begins(then):
    inner = get_client().submit(says_where_it_runs)
    Variable("inner").get()
    if then == "waits for it and is cancelled":
        Event("held").set()
        inner.result()
    says_so_and("held", then)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("then", ["dies", "is cancelled", "waits for it and is cancelled"])
def test_running_inner_tasks_of_a_dead_worker_are_stopped(client, then):
    task = client.submit(submits_what_begins, then)
    inner = Variable("inner", client).get(timeout=BOUND)
    if then != "dies":
        # Both tasks wait: one for an event, the other for the event or the first task.
        requests = registry.shared(client._engine)._requests
        assert becomes(lambda: sum(len(known.waiting) for known in list(requests._workers.values())) == 2)
        task.cancel(force=True)
    with pytest.raises((KilledWorker, CancelledError)):
        task.result(timeout=BOUND)
    assert becomes(lambda: not is_alive(inner))
    # Both threads are free again.
    assert client.gather([client.submit(abs, x) for x in (-1, -2)]) == [1, 2]


def submits_for_others():
    get_client().publish_dataset(get_client().submit(waits_for_its_end), name="wanted")
    Event("inner has begun").wait()
    die()


def waits_for_its_end():
    Event("inner has begun").set()
    Event("end").wait()
    return "done"


def test_inner_tasks_of_a_dead_worker_continue_if_others_need_them(client):
    with pytest.raises(KilledWorker):
        client.submit(submits_for_others).result(BOUND)
    requests = registry.shared(client._engine)._requests
    assert becomes(lambda: requests._lost)
    Event("end", client).set()
    assert client.get_dataset("wanted").result(BOUND) == "done"


@pytest.mark.parametrize("processes", [False, True])
def test_waiters_of_a_closed_primitive_wait_for_its_successor_of_the_same_name(processes):
    with Client(processes=processes, n_workers=2, threads_per_worker=1) as client:
        lock = Lock("lock", client)
        assert lock.acquire()
        waiting = client.submit(lambda: Lock("lock").acquire())
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.05)
        lock.close()
        assert waiting.result(timeout=BOUND) is True


def test_a_timed_out_wait_leaves_nothing_behind(client):
    event = Event("never", client)
    for _ in range(20):
        assert not event.wait(timeout=0)
    coordinator = registry.shared(client._engine).coordinator
    state = coordinator._states["event", "never"]
    assert len(state._waiting) == 0
    assert not coordinator._waiting
