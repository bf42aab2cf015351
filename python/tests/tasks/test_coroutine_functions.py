"""Asynchronous functions wherever a client takes a function."""

from __future__ import annotations

import asyncio
import os

import dask
import pytest

from thalweg.tasks import Client, KilledWorker, get_worker
from thalweg.tasks.process.plugins import WorkerPlugin


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=1) as client:
        yield client


async def increment(x):
    await asyncio.sleep(0)
    return x + 1


async def name_of(dask_worker):
    await asyncio.sleep(0)
    return dask_worker.name


class Prepares(WorkerPlugin):
    name = "prepares"

    async def setup(self, worker):
        await asyncio.sleep(0)
        worker.log = ["set up"]

    async def teardown(self, worker):
        await asyncio.sleep(0)
        worker.log.append("torn down")


def log():
    return get_worker().log


def test_run_awaits_them(client):
    assert list(client.run(increment, 1).values()) == [2]
    assert list(client.run(name_of).values()) == list(client.run(lambda dask_worker: dask_worker.name).values())


def test_tasks_of_graphs_are_awaited(client):
    assert client.get({"x": (increment, 1), "y": (increment, "x")}, "y") == 3
    assert client.compute(dask.delayed(increment)([dask.delayed(1), 2][0])).result() == 2
    assert client.compute(dask.delayed(increment)(x=dask.delayed(abs)(-3))).result() == 4


def test_plugins_are_awaited(client):
    """They were never run: a worker that they prepare was not prepared, without a word."""
    client.register_plugin(Prepares())
    assert client.submit(log).result() == ["set up"]
    client.unregister_worker_plugin("prepares")
    assert client.submit(log, pure=False).result() == ["set up", "torn down"]


def test_replacements_of_a_worker_are_prepared_too():
    with Client(processes=True, n_workers=1) as client:
        client.register_plugin(Prepares())
        with pytest.raises(KilledWorker):
            client.submit(os._exit, 1).result()
        assert client.submit(log).result() == ["set up"]


def test_callbacks_of_workers_are_awaited(client):
    async def prepare(dask_worker):
        await asyncio.sleep(0)
        dask_worker.log = ["called"]

    client.register_worker_callbacks(prepare)
    assert client.submit(log).result() == ["called"]
