"""Cases that would deadlock if an engine thread ran user callbacks."""

from __future__ import annotations

import asyncio
import threading

import pytest

from thalweg.tasks import Client, as_completed, wait, worker_client

#: Timeout of each wait, in seconds.
BOUND = 20
LARGE = 100_000


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=1, threads_per_worker=1) as client:
        yield client


def large(begin=None):
    return b"x" * LARGE


def small(x=1):
    return x


def held(client, function):
    """Submit a blocked task; return its future and a function that releases it."""
    from thalweg.tasks import Event

    event = Event("begin", client=client)
    gate = client.submit(_wait_for, "begin")
    return client.submit(function, gate), event.set


def _wait_for(name):
    from thalweg.tasks import Event

    return Event(name).wait(BOUND)


def test_a_callback_fetches_a_large_result(client):
    future, begin = held(client, large)
    got, called = [], threading.Event()

    def callback(future):
        got.append(len(future.result()))
        called.set()

    future.add_done_callback(callback)
    begin()
    assert called.wait(BOUND)
    assert got == [LARGE]
    assert client.submit(small).result(BOUND) == 1


def test_a_callback_waits_for_other_tasks_and_callbacks(client):
    first, begin = held(client, small)
    second = client.submit(small, first)
    got, heard, called = [], threading.Event(), threading.Event()

    def waits(future):
        got.append(heard.wait(BOUND))
        got.append(client.submit(small, 3).result(BOUND))
        called.set()

    first.add_done_callback(waits)
    second.add_done_callback(lambda _: heard.set())
    begin()
    assert called.wait(2 * BOUND)
    assert got == [True, 3]


def test_a_callback_that_blocks_delays_no_result(client):
    future, begin = held(client, small)
    gate = threading.Event()
    future.add_done_callback(lambda _: gate.wait(BOUND))
    begin()
    try:
        assert client.submit(small, 2).result(BOUND) == 2
        futures = client.map(small, [3, 4])
        assert sorted(result for _, result in as_completed(futures, with_results=True, timeout=BOUND)) == [3, 4]
        assert wait(futures, timeout=BOUND).done == set(futures)
        assert client.get_executor().submit(small, 5).result(BOUND) == 5
        assert not gate.is_set()
    finally:
        gate.set()


def test_executors_return_large_results(client):
    executor = client.get_executor()
    futures = [executor.submit(large) for _ in range(5)]
    assert [len(future.result(BOUND)) for future in futures] == [LARGE] * 5

    async def main():
        return len(await asyncio.get_running_loop().run_in_executor(executor, large))

    assert asyncio.run(asyncio.wait_for(main(), BOUND)) == LARGE


def _gathers():
    with worker_client() as client:
        return len(client.gather(client.submit(large)))


def _results():
    with worker_client() as client:
        return len(client.submit(large).result())


def _completes():
    with worker_client() as client:
        return sum(len(future.result()) for future in as_completed([client.submit(large)]))


@pytest.mark.parametrize("function", [_gathers, _results, _completes])
def test_tasks_fetch_large_results_of_their_inner_tasks(client, function):
    assert client.submit(function).result(BOUND) == LARGE
    assert client.submit(small).result(BOUND) == 1


def test_close_waits_for_callbacks():
    client = Client(n_workers=1)
    got = []
    future, begin = held(client, small)
    future.add_done_callback(lambda future: got.append(future.status))
    begin()
    future.result(BOUND)
    client.close()
    assert got == ["finished"]


def _fails():
    raise ValueError("no")


@pytest.mark.parametrize("processes", [False, True])
def test_gather_raises_the_first_failure(processes):
    with Client(processes=processes, n_workers=2, threads_per_worker=1) as client:
        from thalweg.tasks import Event

        endless = client.submit(_wait_for, "end")
        got = []

        def gather():
            try:
                client.gather([endless, client.submit(_fails)])
            except ValueError as error:
                got.append(error)

        thread = threading.Thread(target=gather, daemon=True)
        thread.start()
        thread.join(BOUND / 2)
        assert got
        assert endless.status == "pending"
        Event("end", client=client).set()
