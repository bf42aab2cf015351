"""The client on event loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

from thalweg.tasks import (
    AioClient,
    Client,
    Event,
    Lock,
    Queue,
    Semaphore,
    Variable,
    as_completed,
    wait,
)


def increment(x):
    return x + 1


def by_asyncio(main):
    return asyncio.run(asyncio.wait_for(main(), 60))


def by_uvloop(main):
    uvloop = pytest.importorskip("uvloop")
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main(), 60))
    finally:
        loop.close()


def by_tornado(main):
    ioloop = pytest.importorskip("tornado.ioloop")
    loop = ioloop.IOLoop(make_current=False)
    try:
        return loop.run_sync(main, timeout=60)
    finally:
        loop.close()


@pytest.fixture(params=[by_asyncio, by_uvloop, by_tornado])
def run(request):
    return request.param


def test_blocking_calls_are_awaitable(run):
    async def main():
        client = await Client(asynchronous=True)
        future = client.submit(increment, 1)
        assert await future == 2
        assert await client.gather([future, {"a": future}]) == [2, {"a": 2}]
        assert await future.result() == 2
        assert await future.exception() is None
        scattered = await client.scatter([1, 2])
        assert await client.gather(client.map(increment, scattered)) == [2, 3]
        assert (await wait([future])).done == {future}
        assert list((await client.run(increment, 1)).values()) == [2]
        assert len(await client.nthreads()) == 1
        assert (await client.scheduler_info())["n_workers"] == 1
        # In Dask it is a dictionary.
        assert len(client.scheduler_info()["workers"]) == 1
        await client.set_metadata("a", 1)
        assert await client.get_metadata("a") == 1
        await client.publish_dataset(mine=future)
        assert await client.list_datasets() == ["mine"]
        assert await (await client.get_dataset("mine")) == 2
        assert await client.get({"a": 1, "b": (increment, "a")}, ["b", "a"]) == [2, 1]
        await client.cancel(client.submit(Event("never").wait))
        await client.restart()
        assert await client.submit(increment, 1) == 2
        await client.close()
        return client.status

    assert run(main) == "closed"


def test_awaiting_a_failed_future_raises(run):
    async def main():
        async with AioClient() as client:
            futures = client.map(increment, [1, "x", 2])
            with pytest.raises(TypeError):
                await futures[1]
            with pytest.raises(TypeError):
                await client.gather(futures)
            assert isinstance(await futures[1].exception(), TypeError)
            return await client.gather(futures, errors="skip")

    assert run(main) == [2, 3]


def test_the_first_failure_ends_the_wait(run):
    async def main():
        async with AioClient() as client:
            pending = client.submit(Event("never").wait)
            with pytest.raises(TypeError):
                await client.gather([pending, client.submit(increment, "x")])
            return pending.status

    assert run(main) == "pending"


def test_as_completed_yields_in_completion_order(run):
    async def main():
        async with AioClient() as client:
            ended = as_completed(client.map(increment, range(5)), with_results=True)
            results = []
            async for future, result in ended:
                assert future.done()
                results.append(result)
                if result == 5:
                    ended.add(client.submit(increment, future))
            return sorted(results)

    assert run(main) == [1, 2, 3, 4, 5, 6]


def test_as_completed_times_out(run):
    async def main():
        async with AioClient() as client:
            future = client.submit(Event("never").wait)
            with pytest.raises(TimeoutError):
                await anext(as_completed([future], timeout="10ms"))
            with pytest.raises(TimeoutError):
                await wait([future], timeout="10ms")
            with pytest.raises(TimeoutError):
                await future.result(timeout=0.01)

    run(main)


def test_one_client_works_sync_and_async(run):
    with Client() as client:
        futures = client.map(increment, range(3))

        async def main():
            assert await client.gather(futures, asynchronous=True) == [1, 2, 3]
            (done, not_done) = await wait(futures, asynchronous=True)
            assert await client.scatter(1, asynchronous=True)
            assert await client.cancel(futures, asynchronous=True) is None
            assert await client.nthreads(asynchronous=True)
            assert await client.get({"a": (increment, 1)}, "a", asynchronous=True) == 2
            # Blocks this loop, as requested.
            return client.gather(futures), len(done)

        assert run(main) == ([1, 2, 3], 3)
        assert client.gather(futures) == [1, 2, 3]


def test_sync_on_an_asynchronous_client(run):
    async def main():
        async with AioClient() as client:

            async def add(x):
                return 1 + await client.submit(increment, x)

            return await client.sync(add, 1)

    assert run(main) == 3


def test_synchronization_primitives_are_awaitable(run):
    async def main():
        async with AioClient() as client:
            lock = Lock("mine")
            assert await lock.acquire()
            assert not await Lock("mine").acquire(timeout="10ms")
            assert not await Lock("mine").acquire(blocking=False)
            assert await lock.locked()
            await lock.release()
            async with lock:
                assert await lock.locked()
            assert not await lock.locked()
            event = await Event("ready")
            waiting = client.submit(lambda: Event("ready").wait())
            assert not await event.wait(timeout=0.01)
            await event.set()
            assert await event.wait()
            assert await waiting
            semaphore = Semaphore(2, "two")
            async with semaphore:
                assert await semaphore.get_value() == 1
            assert await semaphore.acquire()
            await semaphore.release()
            queue = Queue("mine", maxsize=1)
            await queue.put(1)
            with pytest.raises(TimeoutError):
                await queue.put(2, timeout=0.01)
            assert await queue.get() == 1
            with pytest.raises(TimeoutError):
                await queue.get(timeout=0.01)
            variable = Variable("mine")
            await variable.set(3)
            return await variable.get()

    assert run(main) == 3


def test_a_cancelled_acquire_does_not_keep_the_lock(run):
    async def main():
        async with AioClient():
            lock = Lock("mine")
            await lock.acquire()
            waiting = asyncio.ensure_future(lock.acquire())
            await asyncio.sleep(0)
            # Granted and cancelled in the same iteration of the loop.
            release = asyncio.ensure_future(lock.release())
            await asyncio.sleep(0)
            waiting.cancel()
            await release
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return await lock.acquire(timeout=60)

    assert run(main)


def test_a_cancelled_get_leaves_the_value_in_the_queue(run):
    async def main():
        async with AioClient():
            queue = Queue("mine")
            waiting = asyncio.ensure_future(queue.get())
            await asyncio.sleep(0)
            put = asyncio.ensure_future(queue.put(1))
            await asyncio.sleep(0)
            waiting.cancel()
            await put
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return await queue.get(timeout=60)

    assert run(main) == 1


def test_tasks_do_not_block_the_loop(run):
    async def main():
        async with AioClient(n_workers=5) as client:
            barrier = threading.Barrier(6)
            futures = client.map(lambda _: barrier.wait(60), range(5))
            assert not any(future.done() for future in futures)
            # Five parties wait in worker threads, the sixth here.
            await asyncio.to_thread(barrier.wait, 60)
            return len(await client.gather(futures))

    assert run(main) == 5


def test_closing_the_loop_before_its_tasks_end():
    go_on = threading.Event()
    with Client() as client:
        future = client.submit(go_on.wait, 60)

        async def main():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.gather([future], asynchronous=True), 0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(as_completed([future])), 0.01)

        asyncio.run(main())
        go_on.set()
        assert future.result() is True


def test_yield_from_older_coroutines():
    gen = pytest.importorskip("tornado.gen")

    @gen.coroutine
    def main():
        client = yield Client(asynchronous=True)
        result = yield client.submit(increment, 1)
        both = yield client.gather([client.submit(increment, 2)])
        yield client.close()
        return result, both

    assert by_tornado(main) == (2, [3])
