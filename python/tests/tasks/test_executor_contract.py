"""The contract of `concurrent.futures` executors: each case runs on the standard library's and on a client's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
import time
import weakref
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError

import pytest

from thalweg.tasks import Client

KINDS = ["thread pool", "threads", "processes"]


@pytest.fixture(scope="module")
def processes():
    with Client(processes=True, n_workers=2) as client:
        yield client


@pytest.fixture(params=KINDS)
def executor(request):
    """An executor that runs two calls at a time."""
    if request.param == "thread pool":
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            yield executor
    elif request.param == "threads":
        with Client(n_workers=2) as client, client.get_executor() as executor:
            yield executor
    else:
        with request.getfixturevalue("processes").get_executor() as executor:
            yield executor


@pytest.fixture(params=KINDS[:2])
def shared_memory(request):
    """An executor whose calls share memory with this process."""
    if request.param == "thread pool":
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            yield executor
    else:
        with Client(n_workers=2) as client, client.get_executor() as executor:
            yield executor


class Gate:
    """Calls that start, and end once the gate opens."""

    def __init__(self, executor, count=2):
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)
        self.futures = [executor.submit(self._wait, number) for number in range(count)]
        for _ in range(min(2, count)):
            assert self.begun.acquire(timeout=60)

    def _wait(self, number):
        self.begun.release()
        assert self.go_on.wait(60)
        return number

    def open(self):
        self.go_on.set()


def divide(x, y):
    return x / y


def stop(kind):
    raise kind


def test_submit(executor):
    assert executor.submit(pow, 2, 8).result(60) == 256
    assert executor.submit(divide, 6, y=3).result(60) == 2
    assert executor.submit(dict, self=1, fn=2).result(60) == {"self": 1, "fn": 2}
    with pytest.raises(TypeError):
        executor.submit()


def test_the_exception_of_a_call_is_its_outcome(executor):
    future = executor.submit(divide, 1, 0)
    with pytest.raises(ZeroDivisionError):
        future.result(60)
    assert isinstance(future.exception(60), ZeroDivisionError)
    assert future.done() and not future.cancelled() and not future.running()


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit, SystemExit, KeyboardInterrupt])
def test_base_exceptions_are_outcomes_too(executor, kind):
    future = executor.submit(stop, kind)
    with pytest.raises(kind):
        future.result(60)
    assert executor.submit(pow, 2, 2).result(60) == 4


def test_map(executor):
    assert list(executor.map(pow, range(10), range(10))) == [x**x for x in range(10)]
    assert list(executor.map(pow, range(3), [2] * 10)) == [0, 1, 4]
    assert list(executor.map(abs, [])) == []
    assert list(executor.map(abs)) == []
    assert list(executor.map(abs, [-1, -2], chunksize=10)) == [1, 2]
    for size in (1, 2, 3, 7, 50):
        assert list(executor.map(abs, range(-20, 0), chunksize=size)) == list(range(20, 0, -1))


def test_map_raises_where_the_result_would_be(executor):
    results = executor.map(divide, [4, 4, 4], [1, 0, 2])
    assert next(results) == 4
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_map_with_an_iterable_that_fails(executor):
    def numbers():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        executor.map(abs, numbers())


def test_map_keeps_a_call_that_raises_stop_iteration_from_ending_the_loop(executor):
    with pytest.raises(RuntimeError):
        list(executor.map(stop, [StopIteration]))


def test_map_times_out(shared_memory):
    never = threading.Event()
    try:
        with pytest.raises(concurrent.futures.TimeoutError):
            list(shared_memory.map(lambda _: never.wait(60), [1, 2], timeout=0.01))
    finally:
        never.set()


def test_map_reads_its_iterable_at_once(shared_memory):
    taken = []
    results = shared_memory.map(abs, (taken.append(x) or x for x in range(5)))
    assert taken == [0, 1, 2, 3, 4]
    assert list(results) == taken


def test_map_runs_even_if_results_are_ignored(shared_memory):
    done = []
    with shared_memory:
        shared_memory.map(done.append, range(20))
    assert sorted(done) == list(range(20))


def test_closing_the_results_of_map_early(shared_memory):
    gate = Gate(shared_memory)
    done = []
    results = shared_memory.map(done.append, range(20))
    results.close()
    gate.open()
    shared_memory.shutdown()
    # Iteration had not begun, so nothing was cancelled.
    assert sorted(done) == list(range(20))


def test_results_of_map_are_not_kept(shared_memory):
    class Result:
        pass

    results = shared_memory.map(lambda _: Result(), range(3))
    first = weakref.ref(next(results))
    next(results)
    gc.collect()
    assert first() is None


def test_running_and_cancelling(shared_memory):
    gate = Gate(shared_memory)
    running = gate.futures[0]
    waiting = shared_memory.submit(pow, 2, 3)
    assert running.running() and not running.done() and not running.cancelled()
    assert not waiting.running()
    assert not running.cancel()
    assert waiting.cancel() and waiting.cancel()
    assert waiting.cancelled() and waiting.done() and not waiting.running()
    with pytest.raises(CancelledError):
        waiting.result(60)
    with pytest.raises(CancelledError):
        waiting.exception(60)
    gate.open()
    assert running.result(60) == 0
    assert not running.running() and not running.cancel()


def test_a_call_running_in_a_process_cannot_be_cancelled(tmp_path, processes):
    executor = processes.get_executor()
    begun = [tmp_path / f"begun-{number}" for number in range(2)]
    go_on = tmp_path / "go on"
    running = [executor.submit(_touch_and_wait, path, go_on) for path in begun]
    _until(lambda: all(path.exists() for path in begun))
    waiting = [executor.submit(pow, 2, 3) for _ in range(3)]
    assert all(future.running() for future in running)
    assert not any(future.cancel() for future in running)
    assert not any(future.running() for future in waiting)
    assert all(future.cancel() for future in waiting)
    go_on.touch()
    assert [future.result(60) for future in running] == ["done", "done"]
    assert processes.submit(pow, 2, 3).result() == 8


def test_shutdown_of_processes_cancels_only_pending_calls(tmp_path, processes):
    executor = processes.get_executor()
    begun = [tmp_path / f"begun-{number}" for number in range(2)]
    go_on = tmp_path / "go on"
    running = [executor.submit(_touch_and_wait, path, go_on) for path in begun]
    _until(lambda: all(path.exists() for path in begun))
    waiting = [executor.submit(pow, 2, 3) for _ in range(20)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    go_on.touch()
    executor.shutdown()
    assert [future.result(0) for future in running] == ["done", "done"]


def _touch_and_wait(path, go_on):
    path.touch()
    _until(go_on.exists)
    return "done"


def _until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_callbacks(shared_memory):
    called = []
    gate = Gate(shared_memory)
    future = shared_memory.submit(pow, 2, 3)
    future.add_done_callback(lambda done: called.append(("first", done.result(0))))
    future.add_done_callback(lambda done: 1 / 0)
    future.add_done_callback(lambda done: called.append(("third", done is future)))
    cancelled = shared_memory.submit(pow, 2, 3)
    cancelled.add_done_callback(lambda done: called.append(("cancelled", done.cancelled())))
    assert cancelled.cancel()
    assert called == [("cancelled", True)]
    gate.open()
    # Leaving the block waits for the callbacks as well.
    with shared_memory:
        pass
    assert called == [("cancelled", True), ("first", 8), ("third", True)]
    future.add_done_callback(lambda done: called.append("late"))
    assert called[-1] == "late"


def test_leaving_the_with_block_waits_for_slow_callbacks(shared_memory):
    entered, go_on, called = threading.Event(), threading.Event(), []
    gate = Gate(shared_memory, 1)

    def callback(done):
        entered.set()
        assert go_on.wait(60)
        called.append(done.result())

    with shared_memory:
        gate.futures[0].add_done_callback(callback)
        gate.open()
        assert entered.wait(60)
        threading.Thread(target=go_on.set).start()
    assert called == [0]


def test_wait_for_first_completed_or_exception(shared_memory):
    gate = Gate(shared_memory)
    quick, failing = shared_memory.submit(pow, 2, 3), shared_memory.submit(divide, 1, 0)
    done, not_done = concurrent.futures.wait(gate.futures, timeout=0)
    assert (done, not_done) == (set(), set(gate.futures))
    cancelled = shared_memory.submit(pow, 2, 3)
    cancelled.cancel()
    gate.open()
    done, _ = concurrent.futures.wait([*gate.futures, cancelled], timeout=60, return_when=FIRST_COMPLETED)
    assert done
    futures = [*gate.futures, quick, failing, cancelled]
    done, not_done = concurrent.futures.wait([quick, failing], return_when=FIRST_EXCEPTION)
    assert failing in done
    done, not_done = concurrent.futures.wait(futures, timeout=60, return_when=ALL_COMPLETED)
    assert (done, not_done) == (set(futures), set())


def test_cancelling_wakes_a_wait_for_all():
    # The standard library wakes waiters only when a thread reaches the cancelled call.
    with Client(n_workers=2) as client:
        executor = client.get_executor()
        gate = Gate(executor)
        waiting = executor.submit(pow, 2, 3)
        finished = []
        waiter = threading.Thread(target=lambda: finished.append(concurrent.futures.wait([waiting], timeout=60)))
        waiter.start()
        assert waiting.cancel()
        waiter.join(60)
        assert finished[0].done == {waiting}
        gate.open()


def test_as_completed(executor):
    futures = [executor.submit(pow, 2, x) for x in range(5)]
    assert {future.result() for future in concurrent.futures.as_completed(futures, timeout=60)} == {1, 2, 4, 8, 16}
    assert len(list(concurrent.futures.as_completed([futures[0], futures[0]]))) == 1


def test_waiting_for_a_result_times_out(shared_memory):
    gate = Gate(shared_memory)
    with pytest.raises(concurrent.futures.TimeoutError):
        gate.futures[0].result(timeout=0)
    with pytest.raises(concurrent.futures.TimeoutError):
        gate.futures[0].exception(timeout=0)
    gate.open()


def test_shutdown_waits(shared_memory):
    gate = Gate(shared_memory, 6)
    threading.Thread(target=gate.open).start()
    shared_memory.shutdown()
    assert [future.result(0) for future in gate.futures] == [0, 1, 2, 3, 4, 5]
    for take in (shared_memory.submit, shared_memory.map):
        with pytest.raises(RuntimeError):
            take(abs, [1])
    shared_memory.shutdown()


def test_shutdown_without_waiting(shared_memory):
    gate = Gate(shared_memory, 6)
    shared_memory.shutdown(wait=False)
    assert not any(future.done() for future in gate.futures)
    gate.open()
    assert [future.result(60) for future in gate.futures] == [0, 1, 2, 3, 4, 5]


def test_shutdown_cancels_pending_calls(shared_memory):
    gate = Gate(shared_memory, 10)
    shared_memory.shutdown(wait=False, cancel_futures=True)
    assert [future.cancelled() for future in gate.futures] == [False] * 2 + [True] * 8
    gate.open()
    shared_memory.shutdown()
    assert [future.result(0) for future in gate.futures[:2]] == [0, 1]


def test_submitted_calls_run_without_a_reference_to_their_future(shared_memory):
    gate = Gate(shared_memory)
    done = []
    for number in range(5):
        shared_memory.submit(done.append, number)
    gc.collect()
    gate.open()
    shared_memory.shutdown()
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_a_dropped_executor_finishes_its_calls():
    done = []
    with Client(n_workers=2) as client:
        executor = client.get_executor()
        gate = Gate(executor)
        future = executor.submit(done.append, 1)
        del executor
        gc.collect()
        gate.open()
        assert future.result(60) is None
    assert done == [1]


def test_a_call_can_submit_calls(shared_memory):
    outer = shared_memory.submit(lambda: shared_memory.submit(pow, 2, 3))
    assert outer.result(60).result(60) == 8


def test_a_call_that_shuts_down_its_executor_is_refused(shared_memory):
    # The standard library's executor would join its own thread, which is an error too.
    future = shared_memory.submit(shared_memory.shutdown)
    with pytest.raises(RuntimeError):
        future.result(60)


def test_a_callback_can_shut_down_its_executor():
    with Client(n_workers=2) as client:
        executor = client.get_executor()
        told = threading.Event()

        def shut_down(_):
            with pytest.raises(RuntimeError, match="wait=False"):
                executor.shutdown()
            executor.shutdown(wait=False)
            told.set()

        executor.submit(pow, 2, 3).add_done_callback(shut_down)
        assert told.wait(60)


def test_references_are_dropped_when_a_call_is_done(shared_memory):
    class Thing:
        def use(self):
            return 1

    thing = Thing()
    gone = weakref.ref(thing)
    future = shared_memory.submit(thing.use)
    assert future.result(60) == 1
    del thing
    _until(lambda: gc.collect() is not None and gone() is None)


def test_in_an_event_loop(executor):
    async def main():
        loop = asyncio.get_running_loop()
        several = await asyncio.gather(*(loop.run_in_executor(executor, pow, 2, x) for x in range(5)))
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, divide, 1, 0)
        return several

    assert asyncio.run(main()) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("mode", [{}, {"processes": True, "n_workers": 1}])
def test_stop_iteration_in_an_event_loop(mode):
    async def main(executor):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(executor, stop, StopIteration), 60)

    with Client(**mode) as client:
        asyncio.run(main(client.get_executor()))


def test_cancelling_the_awaiter_cancels_the_call(shared_memory):
    gate = Gate(shared_memory)
    done = []

    async def main():
        waiting = asyncio.get_running_loop().run_in_executor(shared_memory, done.append, 1)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    gate.open()
    shared_memory.shutdown()
    assert done == []


@pytest.mark.parametrize("mode", [{"n_workers": 2}, {"processes": True, "n_workers": 2}])
def test_a_bounded_map_reads_no_further(mode):
    with Client(**mode) as client:
        taken = []
        results = client.get_executor().map(abs, (taken.append(x) or x for x in range(100)), buffersize=3)
        assert taken == [0, 1, 2]
        assert next(results) == 0
        assert taken == [0, 1, 2, 3]
        assert list(results) == list(range(1, 100))
        for wrong, error in ((0, ValueError), ("1", TypeError)):
            with pytest.raises(error, match="buffersize"):
                client.get_executor().map(abs, [1], buffersize=wrong)
        with pytest.raises(ValueError, match="chunksize"):
            client.get_executor().map(abs, [1], chunksize=0)


def test_options_of_calls_with_chunks(tmp_path, processes):
    executor = processes.get_executor(retries=3)
    paths = [tmp_path / str(number) for number in range(3)]
    assert list(executor.map(_fail_once, paths, chunksize=3)) == [0, 1, 2]


def _fail_once(path):
    if not path.exists():
        path.touch()
        raise ValueError("the first time")
    return int(path.name)
