"""`restart` replaces the workers; what tasks share by name remains, as with Dask."""

from __future__ import annotations

import threading

import pytest

from thalweg.tasks import Client, Event, Lock, Queue, Variable, get_client, get_worker
from thalweg.tasks.process.plugins import WorkerPlugin

#: Timeout of each wait, in seconds.
BOUND = 30


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=2, threads_per_worker=1) as client:
        yield client


class Prepares(WorkerPlugin):
    name = "prepares"

    def setup(self, worker):
        worker.prepared = True


def is_prepared():
    return get_worker().prepared


def hold(name):
    with Lock(name):
        Event(name).set()
        Event("never").wait()


def put(name, value):
    Queue(name).put(value)


def value_of(name):
    return Variable(name).get(timeout=BOUND)


def test_tasks_are_cancelled_and_release_their_locks(client):
    """They failed since the client was closed, which it was not."""
    future = client.submit(hold, "held")
    Event("held").wait(BOUND)
    waiting = client.submit(abs, client.submit(hold, "not free"))
    client.restart()
    assert [future.status, waiting.status] == ["cancelled", "cancelled"]
    assert Lock("held").acquire(timeout=BOUND)


def test_named_objects_are_those_of_before(client):
    """New workers had others, so that a program and its tasks waited for one another for ever."""
    queue, variable = Queue("numbers"), Variable("answer")
    queue.put(1)
    variable.set(42)
    client.restart()
    client.submit(put, "numbers", 2).result(BOUND)
    assert [queue.get(timeout=BOUND), Queue("numbers").get(timeout=BOUND)] == [1, 2]
    assert client.submit(value_of, "answer").result(BOUND) == 42


def test_plugins_and_files_reach_the_new_workers(client, tmp_path):
    file = tmp_path / "sent_before_a_restart.py"
    file.write_text("ANSWER = 42\n")
    client.register_plugin(Prepares())
    client.upload_file(file)
    for _ in range(2):
        client.restart()
        assert client.submit(is_prepared, pure=False).result(BOUND)
        imported = client.submit(__import__, "sent_before_a_restart", pure=False)
        assert client.submit(getattr, imported, "ANSWER").result(BOUND) == 42


def log_event():
    get_worker().log_event("news", 5)


def data_set():
    return get_client().get_dataset("numbers")


def test_data_sets_and_subscriptions_remain(client):
    heard = threading.Event()
    client.publish_dataset(numbers=[1, 2])
    client.subscribe_topic("news", lambda event: heard.set())
    client.restart()
    assert client.submit(data_set).result(BOUND) == [1, 2]
    client.submit(log_event).result(BOUND)
    assert heard.wait(BOUND)
