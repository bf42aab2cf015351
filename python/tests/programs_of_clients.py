"""More programs for `dask.distributed`: uses of the client other than submitting and gathering."""

from __future__ import annotations

import asyncio
import collections
import functools
import importlib
import os
import tempfile
import time
from pathlib import Path

from programs_of_tasks import increment, outcome, program

Pair = collections.namedtuple("Pair", "first second")


async def add_later(x, y):
    await asyncio.sleep(0)
    return x + y


class Adder:
    async def __call__(self, x):
        return x + 1

    async def method(self, x):
        return x + 2


class Counter:
    n = 0

    def __init__(self, start=0):
        self.n = start

    def increment(self, by=1):
        self.n += by
        return self.n

    async def later(self):
        await asyncio.sleep(0)
        return self.n

    def fail(self):
        raise ZeroDivisionError


def in_module(name, what):
    return getattr(importlib.import_module(name), what)


def log_here(name, topic, message):
    in_module(name, "get_worker")().log_event(topic, message)


def of_worker(name, attribute):
    return getattr(in_module(name, "get_worker")(), attribute)


def use_actor(counter):
    return counter.increment(10).result()


def uploaded():
    return importlib.import_module("thalweg_uploaded_for_a_test").answer()


@program
def asynchronous_functions(d, client):
    adder = Adder()
    return [
        client.submit(functools.partial(add_later, 1), 2).result(),
        client.submit(functools.partial(add_later, y=5), 2).result(),
        client.submit(adder.method, 1).result(),
        client.gather(client.map(functools.partial(add_later, 10), range(3))),
    ]


@program
def coroutines_of_tornado(d, client):
    from tornado import gen

    @gen.coroutine
    def add(x, y):
        yield gen.sleep(0)
        return x + y

    return client.submit(add, 1, 2).result()


@program
def timeouts_as_text(d, client):
    future = client.submit(increment, 1)
    return future.result(timeout="60s"), future.result(timeout="1 minute"), future.exception(timeout="60s")


@program
def attributes_of_futures(d, client):
    future = client.submit(increment, 1, key="attributes")
    future.result()
    return (
        future.type is int,
        future.client is client,
        d.Future("attributes", client).result(),
        future.key in client.futures,
    )


@program
def keys_of_all_kinds(d, client):
    futures = [client.submit(increment, n, key=key) for n, key in enumerate(["text", ("x", 0), ("x", ("y", 1))])]
    named = client.scatter({"a key": 5})
    return [(future.key, future.result()) for future in futures], named["a key"].key


@program
def named_tuples(d, client):
    future = client.submit(increment, 1)
    gathered = client.gather(Pair(future, [future]))
    return client.submit(sum, Pair(future, 1)).result(), type(gathered).__name__, gathered == Pair(2, [2])


@program
def wait_refuses_non_futures(d, client):
    return [outcome(d.as_completed, [1, 2]), list(d.as_completed([]))]


@program
def dependents_of_a_cancelled_future(d, client):
    future = client.submit(time.sleep, 0.2)
    client.cancel(future)
    return outcome(lambda: client.submit(increment, future).result())


@program
def actors(d, client):
    counter = client.submit(Counter, 5, actor=True).result()
    first, second = counter.increment(), counter.increment(by=4)
    return [
        first.result(),
        second.result(),
        counter.n,
        outcome(lambda: counter.fail().result()),
        counter.later().result(),
        client.submit(use_actor, counter).result(),
        counter.n,
        outcome(lambda: counter.nothing),
    ]


@program
def events(d, client):
    client.log_event("from the client", {"x": 1})
    client.submit(log_here, d.__name__, "from a task", [1, 2]).result()
    client.log_event(["one", "two"], 3)
    topics = ["from the client", "from a task", "one", "two"]
    return [[message for _, message in client.get_events(topic)] for topic in topics]


@program
def files(d, client):
    directory = Path(tempfile.mkdtemp())
    module = directory / "thalweg_uploaded_for_a_test.py"
    answers = []
    for answer in (41, 42):
        module.write_text(f"def answer():\n    return {answer}\n")
        client.upload_file(str(module))
        answers.append(client.submit(uploaded).result())
    return answers


@program
def plugins(d, client):
    class Plugin(d.WorkerPlugin):
        def setup(self, worker):
            worker.connection = "open"

        def teardown(self, worker):
            worker.connection = "closed"

    client.register_plugin(Plugin(), name="connection")
    first = client.submit(of_worker, d.__name__, "connection", pure=False).result()
    client.unregister_worker_plugin("connection")
    return first, client.submit(of_worker, d.__name__, "connection", pure=False).result()


@program
def functions_that_take_the_worker(d, client):
    def number(dask_worker, x):
        return x + len(str(os.getpid())) - len(str(os.getpid())) + int(dask_worker is not None)

    return set(client.run(number, x=1).values())


@program
def normalized_collections(d, client):
    import dask

    return client.normalize_collection(dask.delayed(increment)(1)).compute(scheduler="sync")


@program
def waiting_for_workers(d, client):
    return client.wait_for_workers(1), outcome(client.wait_for_workers, 1, timeout="1s")


@program
def multiple_locks(d, client):
    first, second = d.MultiLock(["a", "b"]), d.MultiLock(["b", "c"])
    taken = [first.acquire(), outcome(second.acquire, timeout=0.05), outcome(second.acquire, blocking=False)]
    first.release()
    taken.append(second.acquire(timeout="10s"))
    second.release()
    return taken


@program
def batches_of_queues(d, client):
    queue = d.Queue("batches")
    for number in range(5):
        queue.put(number)
    return queue.get(batch=2), queue.get(), queue.get(batch=True), queue.get(batch=True)


@program
def releasing_leases(d, client):
    semaphore = d.Semaphore(max_leases=1, name="leases")
    return semaphore.acquire(), semaphore.release(), semaphore.get_value()
