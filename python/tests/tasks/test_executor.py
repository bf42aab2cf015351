"""The client as an executor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import sys
import threading

import pytest

from thalweg.tasks import Client, ClosedClientError, current_token


def test_futures_are_those_of_the_standard_library(client):
    executor = client.get_executor()
    assert isinstance(executor, concurrent.futures.Executor)
    futures = [executor.submit(pow, 2, x) for x in range(3)]
    assert all(isinstance(future, concurrent.futures.Future) for future in futures)
    assert {future.result() for future in concurrent.futures.as_completed(futures)} == {1, 2, 4}
    done, not_done = concurrent.futures.wait(futures)
    assert (len(done), len(not_done)) == (3, 0)
    assert isinstance(executor.submit(int, "x").exception(), ValueError)


def test_all_keyword_arguments_go_to_the_function(client):
    assert client.get_executor().submit(dict, key=1, retries=2, timeout=3).result() == {
        "key": 1,
        "retries": 2,
        "timeout": 3,
    }


def test_run_in_executor_in_a_loop(client):
    async def main():
        loop = asyncio.get_running_loop()
        executor = client.get_executor()
        several = [loop.run_in_executor(executor, pow, 2, x) for x in range(3)]
        return await asyncio.gather(*several), await asyncio.wrap_future(executor.submit(pow, 2, 3))

    assert asyncio.run(main()) == ([1, 2, 4], 8)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there it is a warning")
def test_as_the_default_executor_of_a_loop(client):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError):
            # asyncio accepts only a `ThreadPoolExecutor`.
            loop.set_default_executor(client.get_executor())

    asyncio.run(main())


def test_cancelling_a_running_future_sets_its_token(client):
    running, told = threading.Event(), threading.Event()

    def work():
        running.set()
        while not current_token().cancelled:
            pass
        told.set()

    future = client.get_executor().submit(work)
    assert running.wait(60)
    assert not future.cancel()
    assert told.wait(60)
    assert future.result(60) is None


def test_cancelling_the_awaiter_cancels_the_task(client):
    told = threading.Event()

    def work():
        while not current_token().cancelled:
            pass
        told.set()

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(client.get_executor(), work), 0.01)

    asyncio.run(main())
    assert told.wait(60)


def test_map(client):
    executor = client.get_executor()
    assert list(executor.map(operator.add, [1, 2, 3], [4, 5], chunksize=10)) == [5, 7]
    never = threading.Event()
    with pytest.raises(concurrent.futures.TimeoutError):
        list(executor.map(lambda _: never.wait(), [1, 2], timeout=0.01))
    never.set()
    results = executor.map(int, ["1", "x", "3"])
    assert next(results) == 1
    with pytest.raises(ValueError, match="'x'"):
        next(results)


def test_shutdown(client):
    go_on = threading.Event()
    executor = client.get_executor()
    running = [executor.submit(go_on.wait, 60) for _ in range(4)]
    waiting = executor.submit(pow, 2, 3)
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(pow, 2, 3)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(abs, [1])
    go_on.set()
    executor.shutdown(wait=True)
    assert all(future.done() for future in (*running, waiting))
    assert client.submit(pow, 2, 3).result() == 8


def test_shutdown_with_cancel_futures(one_at_a_time):
    go_on, running = threading.Event(), threading.Event()

    def work():
        running.set()
        return go_on.wait(60)

    executor = one_at_a_time.get_executor()
    first = executor.submit(work)
    assert running.wait(60)
    second = executor.submit(pow, 2, 3)
    go_on.set()
    first.result()
    second.result()
    third = executor.submit(threading.Event().wait, 0)
    executor.shutdown(cancel_futures=True)
    assert third.done()


def test_options_for_all_tasks(client):
    left = [1, 0]
    assert client.get_executor(retries=1).submit(lambda: 1 / left.pop()).result() == 1
    pure = client.get_executor(pure=True)
    one, two = pure.submit(len, "abc"), pure.submit(len, "abc")
    assert one.result() == two.result() == 3
    with pytest.raises(TimeoutError):
        client.get_executor(time_limit=0.01).submit(threading.Event().wait, 0.2).result(60)


def test_submitting_on_a_closed_client():
    with Client() as client:
        executor = client.get_executor()
    with pytest.raises(ClosedClientError):
        executor.submit(abs, 1)


def test_closing_the_client_cancels_calls_that_do_not_end_in_time(client):
    go_on = threading.Event()
    futures = [client.get_executor().submit(go_on.wait, 60) for _ in range(14)]
    with pytest.warns(RuntimeWarning, match="or an executor had ended"):
        client.close(timeout="10ms")
    for future in futures[4:]:
        with pytest.raises((concurrent.futures.CancelledError, ClosedClientError)):
            future.result(timeout=60)
    go_on.set()
