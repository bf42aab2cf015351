"""Worker processes that are alive but do not answer."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from support import PATIENCE
from thalweg.tasks import Client, Event, KilledWorker, Lock, Semaphore, TimeoutError

#: Timeout of each wait, in seconds.
BOUND = PATIENCE


@pytest.fixture
def start():
    clients = []

    def start(**options):
        clients.append(Client(processes=True, n_workers=1, **options))
        assert clients[-1].submit(abs, -1).result(BOUND) == 1
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def stop(client):
    pid = client.submit(os.getpid).result(BOUND)
    os.kill(pid, signal.SIGSTOP)
    return pid


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def test_a_stopped_worker_is_replaced(start):
    client = start(worker_ttl="0.2s")
    stopped = stop(client)
    assert client.gather(client.map(abs, [-1, -2])) == [1, 2]
    assert client.submit(os.getpid).result(BOUND) != stopped
    assert not exists(stopped)


@pytest.mark.skipif(sys.platform != "linux", reason="it is seen in /proc")
def test_a_worker_stopped_during_startup_is_replaced():
    with Client(processes=True, n_workers=1, worker_ttl="0.2s") as client:
        (worker,) = client._engine.info()["workers"]
        os.kill(worker["pid"], signal.SIGSTOP)
        assert client.submit(os.getpid).result(BOUND) != worker["pid"]


def test_large_results_of_a_stopped_worker_are_recomputed(start):
    client = start(worker_ttl="0.2s")
    future = client.submit(bytes, 100_000)
    assert client.submit(len, future).result(BOUND) == 100_000
    stop(client)
    assert future.result(BOUND) == bytes(100_000)


def stop_this():
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_task_that_stops_its_worker_fails(start):
    client = start(worker_ttl="0.2s")
    with pytest.raises(KilledWorker, match="did not answer for 200ms"):
        client.submit(stop_this).result(BOUND)
    assert client.submit(abs, -1).result(BOUND) == 1


def hold_and_stop():
    with Semaphore(2, "leases"), Semaphore(2, "leases"), Lock("lock"):
        stop_this()


def test_locks_and_leases_of_a_silent_worker_are_released(start):
    client = start(worker_ttl="0.2s")
    with pytest.raises(KilledWorker):
        client.submit(hold_and_stop).result(BOUND)
    leases = Semaphore(2, "leases", client)
    assert leases.acquire(BOUND) and leases.acquire(BOUND) and Lock("lock", client).acquire(timeout=BOUND)


def test_time_limits_apply_to_tasks_on_a_silent_worker(start):
    client = start(worker_ttl=None)
    stop(client)
    with pytest.raises(TimeoutError):
        client.submit(abs, -1, time_limit=0.1).result(BOUND)


def test_submitting_does_not_wait_for_workers(start):
    client = start(worker_ttl=None)
    stop(client)
    futures = [client.submit(len, bytes(60_000), pure=False) for _ in range(500)]
    del futures
    done = threading.Event()
    threading.Thread(target=lambda: (client.close(), done.set()), daemon=True).start()
    assert done.wait(BOUND)


def close_descriptors(then):
    os.closerange(3, 256)
    if then == "waits":
        time.sleep(1000)


@pytest.mark.parametrize("then", ["returns", "waits"])
def test_a_worker_without_descriptors_is_replaced(start, then):
    client = start(worker_ttl="0.2s")
    with pytest.raises(KilledWorker):
        client.submit(close_descriptors, then).result(BOUND)
    assert client.submit(abs, -1).result(BOUND) == 1


def hold_the_gil(seconds):
    import ctypes

    # A call through `PyDLL` keeps the GIL.
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return "held"


def test_a_task_that_holds_the_gil_is_left_alone(start):
    client = start(worker_ttl="1s")
    assert client.submit(hold_the_gil, 1.5).result(BOUND) == "held"


def test_a_worker_is_left_alone_while_this_process_holds_the_gil(start):
    client = start(worker_ttl="1s")
    pid = client.submit(os.getpid).result(BOUND)
    futures = client.map(abs, range(100))
    for future in futures:
        future._notify(lambda future: None)
    hold_the_gil(1.5)
    client.gather(futures)
    assert client.submit(os.getpid).result(BOUND) == pid


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("ttl", [0, "-1s", "soon"])
def test_an_invalid_worker_ttl_is_refused(processes, ttl):
    with pytest.raises(ValueError, match=r"worker_ttl|interval"):
        Client(processes=processes, n_workers=1, worker_ttl=ttl)


def test_close_does_not_wait_for_silent_workers(start):
    client = start(worker_ttl=None)
    stopped = stop(client)
    Event("any", client).set()
    client.close()
    assert not exists(stopped)
