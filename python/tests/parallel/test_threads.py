"""Streams on thread engines: when `emit` returns, who owns values, where functions run."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from operator import add

import pytest

pytest.importorskip("thalweg.core")

from support import PATIENCE, until
from thalweg import Retry, Stream, UndeliveredError
from thalweg._thalweg.parallel import passage
from thalweg.tasks import Client, secede


@pytest.fixture(params=["threads", "executor"])
def pool(request):
    engine = ThreadPoolExecutor(3) if request.param == "executor" else Client(n_workers=3, set_as_default=False)
    with engine:
        yield engine


def is_odd(x):
    return x % 2 == 1


def collected(build, inputs, pool):
    source = Stream()
    L = build(source.scatter(pool)).sink_to_list()
    source.emit_many(inputs)
    source.drain()
    return L


def test_emit_many_keeps_the_whole_engine_busy(pool):
    """Three calls wait for each other: with fewer at a time they would hang."""
    together = threading.Barrier(3, timeout=PATIENCE)
    source = Stream()
    L = source.scatter(pool).map(lambda x: (together.wait() and x) or x).gather().sink_to_list()
    source.emit_many(range(6))
    assert L == list(range(6))


def test_several_emitters_keep_the_whole_engine_busy(pool):
    together = threading.Barrier(3, timeout=PATIENCE)
    source = Stream()
    L = source.scatter(pool).map(lambda x: (together.wait() and x) or x).gather().sink_to_list()
    emitters = [threading.Thread(target=source.emit, args=(x,)) for x in range(3)]
    for emitter in emitters:
        emitter.start()
    for emitter in emitters:
        emitter.join()
    assert sorted(L) == [0, 1, 2]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_returned_emit_has_been_delivered(pool, asynchronous):
    async def main():
        source = Stream(asynchronous=True)
        L = source.scatter(pool).map(add, 1).gather().sink_to_list()
        for x in range(10):
            await source.emit(x)
            assert L == list(range(1, x + 2))

    if asynchronous:
        return asyncio.run(main())
    source = Stream()
    L = source.scatter(pool).map(add, 1).gather().sink_to_list()
    for x in range(10):
        source.emit(x)
        assert L == list(range(1, x + 2))


@Stream.register_api()
class twice_for_tests(Stream):
    """An operator that knows nothing of engines."""

    def update(self, x, who=None, metadata=None):
        return self._emit(x, metadata) + self._emit(x, metadata)


def test_operators_registered_later_get_values(pool):
    assert collected(lambda s: s.map(add, 1).twice_for_tests().gather(), [1, 2], pool) == [2, 2, 3, 3]
    assert collected(lambda s: s.twice_for_tests().filter(is_odd).gather(), [1, 2], pool) == [1, 1]

    @Stream.register_api(attribute_name="thrice_for_tests")
    class thrice(Stream):
        def update(self, x, who=None, metadata=None):
            return [awaitable for _ in range(3) for awaitable in self._emit(x, metadata)]

    assert collected(lambda s: s.map(add, 1).thrice_for_tests().map(str).gather(), [1], pool) == ["2"] * 3


def test_values_are_neither_walked_nor_copied(pool):
    """Not even in joins. The value contains itself."""
    endless = []
    endless.append(endless)
    source = Stream()
    on_engine = source.scatter(pool)
    L = on_engine.zip(on_engine.map(id)).gather().sink_to_list()
    source.emit(endless)
    assert L[0][0] is endless
    assert L[0][1] == id(endless)


def test_elements_emitted_by_a_sink_return_to_the_engine(pool):
    source = Stream()
    L = []

    def again(x):
        L.append(x)
        if x:
            source.emit(x - 1)

    source.scatter(pool).map(abs).gather().sink(again)
    source.emit(5)
    source.drain()
    assert L == [5, 4, 3, 2, 1, 0]


def test_functions_without_gather_are_called(pool):
    called = threading.Event()
    source = Stream()
    node = source.scatter(pool).map(lambda x: called.set())
    source.emit(1)
    assert called.wait(PATIENCE)
    del node


def test_functions_after_gather_run_on_the_loop(pool):
    threads = set()
    source = Stream()
    node = source.scatter(pool).map(add, 1).buffer(3).gather().map(lambda x: threads.add(threading.get_ident()))
    node.sink(lambda x: threads.add(threading.get_ident()))
    emitters = [threading.Thread(target=lambda: [source.emit(x) for x in range(50)]) for _ in range(3)]
    for emitter in emitters:
        emitter.start()
    for x in range(50):
        source.emit(x)
    for emitter in emitters:
        emitter.join()
    source.drain()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_emitters_enter_directly_if_no_user_code_precedes_scatter(pool):
    source = Stream()
    mapped = source.scatter(pool).map(add, 1)
    mapped.buffer(3).gather().sink(print)
    assert passage(source)
    held = source.map(add, 1).scatter(pool)
    assert not passage(source)
    del held
    other = Stream()
    other.scatter(pool).sink(print)
    assert not passage(other)


# Functions that emit into their own pipeline.


WAYS = {
    "gather": lambda s, step: step(s).gather(),
    "a buffer before gather": lambda s, step: step(s).buffer(2).gather(),
    "a buffer after gather": lambda s, step: step(s).gather().buffer(2),
    "out of order": lambda s, step: step(s).gather(unordered=True),
    "followed by another step": lambda s, step: step(s).map(add, 0).gather(),
    "a window": lambda s, step: step(s).partition(1).pluck(0).gather(),
    "a state": lambda s, step: step(s).accumulate(lambda _, x: x).gather(),
}


def all_came(source, L):
    """Emit 0; the functions emit the other elements, which nobody waits for."""
    thread = threading.Thread(target=source.emit, args=(0,), daemon=True)
    thread.start()
    end = time.monotonic() + PATIENCE
    while len(L) < 6 or thread.is_alive():
        assert time.monotonic() < end, f"it waits for itself: {L}"
        time.sleep(0.001)
    source.drain()
    assert sorted(L) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_function_may_emit_into_its_own_pipeline(pool, way, before):
    def again(x):
        if x < 5:
            source.emit(x + 1)
        return x

    source = Stream()
    scattered = (source.map(abs) if before else source).scatter(pool)
    all_came(source, WAYS[way](scattered, lambda s: s.map(again)).sink_to_list())


@pytest.mark.parametrize("way", WAYS)
def test_an_async_function_may_emit_into_its_own_pipeline(pool, way):
    async def again(x):
        if x < 5:
            emission = source.emit(x + 1, asynchronous=True)
            await emission
        return x

    source = Stream()
    all_came(source, WAYS[way](source.scatter(pool), lambda s: s.map(again)).sink_to_list())


def test_a_function_of_an_asynchronous_pipeline_may_emit_into_it(pool):
    built = []

    async def again(x):
        if x < 5:
            await built[0].emit(x + 1)
        return x

    async def main():
        source = Stream(asynchronous=True)
        built.append(source)
        L = source.scatter(pool).map(again).gather().sink_to_list()
        await asyncio.wait_for(source.emit(0), PATIENCE)
        end = time.monotonic() + PATIENCE
        while len(L) < 6:
            assert time.monotonic() < end
            await asyncio.sleep(0.001)
        await source.drain()
        return L

    assert asyncio.run(main()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["predicate", "state", "many"])
def test_predicates_and_other_functions_may_emit_into_their_own_pipeline(pool, kind):
    def again(x):
        if x < 5:
            source.emit_many([x + 1]) if kind == "many" else source.emit(x + 1)
        return True

    source = Stream()
    scattered = source.scatter(pool)
    state = lambda _, x: again(x) and x  # noqa: E731
    built = scattered.accumulate(state, start=0) if kind == "state" else scattered.filter(again)
    all_came(source, built.gather().sink_to_list())


def test_emitting_into_another_pipeline_waits(pool):
    """A function does not wait only for its own pipeline."""
    seen = []

    def tell(x):
        other.emit(x)
        return list(seen)

    other = Stream()
    other.scatter(pool).map(abs).gather().sink(seen.append)
    source = Stream()
    L = source.scatter(pool).map(tell).gather().sink_to_list()
    source.emit(1)
    assert L == [[1]]


def test_a_thread_that_ends_closes_its_loop():
    async def running(x):
        return asyncio.get_running_loop()

    with ThreadPoolExecutor(1) as pool:
        source = Stream()
        L = source.scatter(pool).map(running).gather().sink_to_list()
        source.emit_many(range(2))
        source.drain()
        one, two = L
        assert one is two and not one.is_closed()
    assert one.is_closed()


@pytest.mark.parametrize("outer", ["stream", "task"])
@pytest.mark.parametrize("send", ["emit", "buffer", "emit_many"])
def test_streams_may_be_used_by_functions_that_run_on_the_same_threads(outer, send):
    with Client(n_workers=2) as client:

        def inside(x):
            source, results = Stream(), []
            mapped = source.scatter(client).map(lambda y: y + 1)
            (mapped.buffer(5) if send == "buffer" else mapped).gather().sink(results.append)
            if send == "emit_many":
                source.emit_many(range(5))
            else:
                for y in range(5):
                    source.emit(y)
            source.drain(PATIENCE)
            return x + sum(results)

        if outer == "task":
            found = client.gather(client.map(inside, range(6)))
        else:
            source, found = Stream(), []
            source.scatter(client).map(inside).buffer(8).gather().sink(found.append)
            for x in range(6):
                source.emit(x)
            source.drain(PATIENCE)
        assert found == [x + 15 for x in range(6)]


def test_a_function_that_seceded_has_its_thread_back_for_the_next_element():
    with Client(n_workers=1) as client:
        source, found = Stream(), []
        source.scatter(client).map(lambda x: (secede(), x)[1]).buffer(8).gather().sink(found.append)
        source.emit_many(range(40))
        source.drain(PATIENCE)
        assert found == list(range(40))
        assert client.submit(int, 7).result(PATIENCE) == 7


def test_elements_that_wait_for_another_attempt_keep_no_others_from_running():
    def fail(x):
        calls.append(x)
        raise ValueError(x)

    calls = []
    with Client(n_workers=2, set_as_default=False) as client:
        stuck = Stream()
        on_engine = stuck.scatter(client)
        on_engine.map(fail, on_error=Retry(9, backoff=PATIENCE)).buffer(5).gather().sink(print)
        on_engine.accumulate(fail_on_second, on_error=Retry(9, backoff=PATIENCE)).buffer(5).gather().sink(print)
        stuck.emit_many(range(3))
        until(lambda: len(calls) == 3)
        source = Stream()
        L = source.scatter(client).map(abs).buffer(5).gather().sink_to_list()
        source.emit_many(range(3))
        source.drain(PATIENCE / 2)
        assert L == [0, 1, 2]
        with pytest.raises(UndeliveredError):
            stuck.drain(0.01)
        # Leaving the block would wait for them.
        client.close(timeout=0)


def fail_on_second(state, x):
    raise ValueError(x)
