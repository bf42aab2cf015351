"""Forks of a worker, and of a program that has a client."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time

import pytest

from thalweg.tasks import Client, KilledWorker, Lock

#: Timeout of each wait, in seconds.
BOUND = 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it forks")


def forks_and(how, path):
    """Fork a child that outlives this process and keeps its descriptors open, then end."""
    pid = os.fork()
    if pid == 0:
        if how == "leaves":
            # In a separate process group it is not killed.
            os.setsid()
        time.sleep(BOUND)
        os._exit(0)
    with open(path, "w") as file:
        file.write(str(pid))
    if how == "runs":
        time.sleep(1000)
    os.kill(os.getpid(), signal.SIGKILL)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def written(path):
    """Wait for a process id in a file."""
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        if path.exists() and path.read_text():
            return int(path.read_text())
        threading.Event().wait(0.01)
    raise TimeoutError("no process has been forked")


def ends(pid):
    end = time.monotonic() + BOUND / 2
    while is_running(pid) and time.monotonic() < end:
        threading.Event().wait(0.01)
    return not is_running(pid)


@pytest.fixture
def client():
    client = Client(processes=True, n_workers=1)
    closer = threading.Thread(target=client.close, daemon=True)
    yield client
    closer.start()
    closer.join(BOUND / 2)
    assert not closer.is_alive(), "close hangs"


@pytest.mark.parametrize("how", ["dies", "leaves"])
def test_the_death_of_a_worker_with_forked_children_is_noticed(client, tmp_path, how):
    path = tmp_path / "child"
    with pytest.raises(KilledWorker):
        client.submit(forks_and, how, path, retries=0).result(BOUND / 2)
    child = written(path)
    if how == "leaves":
        os.kill(child, signal.SIGKILL)
    assert ends(child)
    assert client.submit(abs, -1).result(BOUND) == 1


def test_a_forced_cancel_kills_children_forked_by_the_task(client, tmp_path):
    path = tmp_path / "child"
    future = client.submit(forks_and, "runs", path)
    child = written(path)
    future.cancel(force=True)
    assert ends(child)
    assert client.submit(abs, -1).result(BOUND) == 1


def test_time_limits_and_close_kill_children_forked_by_a_task(client, tmp_path):
    # Importing this module must not count against the limit.
    assert client.submit(is_running, os.getpid()).result(BOUND)
    with pytest.raises(TimeoutError):
        client.submit(forks_and, "runs", tmp_path / "first", time_limit=3).result(BOUND)
    assert ends(written(tmp_path / "first"))
    future = client.submit(forks_and, "runs", tmp_path / "second")
    child = written(tmp_path / "second")
    client.close()
    assert ends(child)
    assert future.status != "finished"


def in_child(function):
    """Call a function in a forked process; return its result, or the text of its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        answers = []

        def call():
            try:
                answers.append(function())
            except BaseException as error:
                answers.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(BOUND / 2)
        os.write(writer, pickle.dumps(answers[0] if answers else "hangs"))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = pickle.loads(file.read())
    os.waitpid(pid, 0)
    return answer


@pytest.mark.parametrize("processes", [False, True])
def test_a_forked_process_is_refused_the_client_of_its_parent(processes):
    with Client(processes=processes, n_workers=1) as client:
        begin = threading.Event()
        future = client.submit(abs, -1)
        assert future.result(BOUND) == 1
        late = client.submit(time.sleep, 2) if processes else client.submit(begin.wait, BOUND)
        lock = Lock("x", client=client)
        refused = [
            lambda: client.submit(abs, -1),
            lambda: client.gather(client.map(abs, [1])),
            late.result,
            late.exception,
            lambda: late.cancel(force=True),
            lambda: client.gather([future, late]),
            lambda: lock.acquire(timeout=BOUND),
            client.ncores,
        ]
        for function in refused:
            answer = in_child(function)
            assert f"process {os.getpid()}, which has forked this one" in str(answer), answer
        assert in_child(future.result) == 1
        begin.set()
        late.result(BOUND)


@pytest.mark.parametrize("processes", [False, True])
def test_a_forked_process_stops_nothing_of_its_parent(processes):
    client = Client(processes=processes, n_workers=1, threads_per_worker=1)
    with client:
        before = client.submit(os.getpid).result(BOUND)

        def leaves():
            with client:
                pass
            client.close()
            return "left"

        def forgets():
            client.__dict__.clear()
            gc.collect()
            return "forgotten"

        def has_its_own():
            with Client(processes=processes, n_workers=1) as own:
                return own.submit(abs, -2).result(BOUND / 2)

        assert in_child(leaves) == "left"
        assert in_child(forgets) == "forgotten"
        assert in_child(has_its_own) == 2
        assert client.submit(os.getpid).result(BOUND) == before


def test_multiprocessing_works_with_an_open_client(client):
    before = client.submit(os.getpid).result(BOUND)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    assert client.submit(os.getpid).result(BOUND) == before
