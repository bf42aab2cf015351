"""Streams on an engine of this process: elements in flight, failures, who hears of them, and shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from operator import add, itemgetter
from types import SimpleNamespace

import pytest

pytest.importorskip("thalweg.core")

from thalweg import Failure, RefCounter, Retry, SeveralFailures, Stream, UndeliveredError, VirtualClock
from thalweg.parallel import Element, ParallelStream

PATIENCE = 60


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


def is_odd(x):
    return x % 2 == 1


def fail_on_2(x):
    if x == 2:
        raise ArithmeticError("two")
    return x


def collected(build, inputs, pool, **options):
    source = Stream()
    L = build(source.scatter(pool, **options)).sink_to_list()
    source.emit_many(inputs)
    source.drain()
    return L


# Elements in flight.


def emitted_until_it_waits(build, pool, at_work, *, patience=PATIENCE):
    """Number of elements accepted while no call ends."""
    may_go, taken, calls = threading.Event(), [], threading.Semaphore(0)

    def wait(x):
        calls.release()
        assert may_go.wait(patience)
        return x

    async def main():
        source = Stream(asynchronous=True)
        L = build(source.scatter(pool).map(wait)).gather().sink_to_list()

        async def emit_all():
            for x in range(20):
                await source.emit(x)
                taken.append(x)

        emitting = asyncio.ensure_future(emit_all())
        loop = asyncio.get_running_loop()
        for _ in range(at_work):
            assert await loop.run_in_executor(None, calls.acquire, True, patience)
        # All allowed calls have begun: an element not accepted after some rounds never will be.
        for _ in range(100):
            await asyncio.sleep(0)
        count = len(taken)
        may_go.set()
        await emitting
        await source.drain()
        assert L == list(range(20))
        return count

    return asyncio.run(main())


def test_emit_waits_until_its_element_is_delivered(pool):
    assert emitted_until_it_waits(lambda s: s, pool, 1) == 0


def test_a_buffer_adds_its_size_to_the_elements_in_flight(pool):
    # One is between the buffer and `gather`.
    assert emitted_until_it_waits(lambda s: s.buffer(5), pool, 3) == 3 + 1 + 5


@pytest.mark.parametrize(
    "build",
    [
        lambda s: s.unique().buffer(5),
        lambda s: s.zip(s).map(itemgetter(0)).buffer(5),
        lambda s: s.combine_latest(s).pluck(0).unique().buffer(5),
        lambda s: s.partition(1).flatten().unique().map(int).buffer(5),
    ],
    ids=["unique", "zip", "combine_latest", "several"],
)
def test_as_many_elements_come_to_an_operator_that_waits_for_values_as_to_the_buffer_behind_it(pool, build):
    assert emitted_until_it_waits(build, pool, 3) >= 5


@pytest.mark.parametrize("is_first", [True, False])
def test_emit_waits_if_another_way_has_no_buffer(pool, is_first):
    def build(s):
        values = s.unique()
        if is_first:
            values.map(str).gather().sink_to_list()
        buffered = values.buffer(5)
        if not is_first:
            values.map(str).gather().sink_to_list()
        return buffered

    assert emitted_until_it_waits(build, pool, 1) == 0


def test_a_chain_is_one_task_and_its_thread_continues_with_waiting_elements(pool):
    tasks, threads = [], []
    submit = pool.submit

    def counting(work):
        tasks.append(work)
        return submit(work)

    def here(x):
        threads.append(threading.get_ident())
        return x

    pool.submit = counting
    source = Stream()
    L = source.scatter(pool).map(here).filter(is_odd).map(here).buffer(300).gather().sink_to_list()
    source.emit_many(range(200))
    source.drain()
    assert L == list(range(1, 200, 2))
    assert len(threads) == 300
    assert len(tasks) < 200


def test_a_shared_prefix_is_computed_once(pool):
    calls = []

    def called(x):
        calls.append(x)
        return x

    source = Stream()
    shared = source.scatter(pool).map(called)
    L = shared.map(add, 1).zip(shared.map(add, 2)).gather().sink_to_list()
    source.emit_many(range(5))
    source.drain()
    assert L == [(x + 1, x + 2) for x in range(5)]
    assert sorted(calls) == list(range(5))


def test_unordered_emits_results_as_they_finish(pool):
    first_may_end = threading.Event()

    def wait(x):
        if x == 0:
            assert first_may_end.wait(PATIENCE)
        return x

    for options in ({"unordered": True}, {}):
        first_may_end.clear()
        source = Stream()
        gathered = source.scatter(pool, **options).map(wait).gather(**({} if options else {"unordered": True}))
        L = []
        gathered.sink(lambda x, L=L: (L.append(x), first_may_end.set()))
        source.emit_many([0, 1])
        source.drain()
        assert L == [1, 0]


# Failures.


@pytest.fixture
def gate():
    """Functions wait here until all elements are emitted, so that no failure is reported earlier."""
    may_go = threading.Event()
    yield SimpleNamespace(open=may_go.set, wait=lambda x: (may_go.wait(PATIENCE), x)[1])
    may_go.set()


def test_a_failure_affects_one_element_and_reaches_the_next_caller(pool, gate):
    source = Stream()
    L = source.scatter(pool).map(gate.wait).map(fail_on_2).buffer(10).gather().sink_to_list()
    source.emit_many(range(5))
    gate.open()
    with pytest.raises(ArithmeticError, match="two") as caught:
        source.drain()
    assert L == [0, 1, 3, 4]
    assert caught.value.__notes__ == ["in map(fail_on_2), on element 3: 2"]


def test_several_failures_are_raised_together(pool, gate):
    source = Stream()
    L = source.scatter(pool).map(gate.wait).map(lambda x: 1 / x).buffer(10).gather().sink_to_list()
    source.emit_many([0, 1, "two"])
    gate.open()
    with pytest.raises(SeveralFailures) as caught:
        source.drain()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError, TypeError]
    assert L == [1.0]


@pytest.mark.parametrize(
    "build",
    [
        lambda s: s.map(fail_on_2, on_error="skip"),
        lambda s: s.filter(lambda x: fail_on_2(x) is not None, on_error="skip"),
        lambda s: s.map(lambda x: (x,)).starmap(fail_on_2, on_error="skip"),
        lambda s: s.map(lambda x: [x] if x != 2 else []).pluck(0, on_error="skip"),
        lambda s: s.accumulate(lambda state, x: fail_on_2(x), start=0, on_error="skip"),
        lambda s: s.partition(1, key=fail_on_2, on_error="skip").pluck(0),
        lambda s: s.unique(key=fail_on_2, on_error="skip"),
        lambda s: s.map(lambda x: [x] if x != 2 else x).flatten(on_error="skip"),
    ],
)
def test_skip(pool, build):
    assert collected(lambda s: build(s).gather(), range(5), pool) == [0, 1, 3, 4]


def test_retry_happens_on_the_engine(pool):
    calls = []

    def unreliable(x):
        calls.append(x)
        if len(calls) < 3:
            raise OSError("not yet")
        return x

    assert collected(lambda s: s.map(unreliable, on_error=Retry(5)).gather(), [1], pool) == [1]
    assert calls == [1, 1, 1]


def test_retry_gives_up(pool):
    assert collected(lambda s: s.map(fail_on_2, on_error=Retry(2, then="skip")).gather(), range(4), pool) == [0, 1, 3]
    with pytest.raises(ArithmeticError):
        collected(lambda s: s.map(fail_on_2, on_error=Retry(2)).gather(), range(4), pool)


@pytest.mark.parametrize("retry", [False, True])
def test_failures_are_routed(pool, retry):
    source, failures = Stream(), Stream()
    failed = failures.sink_to_list()
    on_error = Retry(1, then=failures) if retry else failures
    L = source.scatter(pool).map(fail_on_2, on_error=on_error).buffer(3).map(add, 1).gather().sink_to_list()
    source.emit_many(range(5))
    source.drain()
    assert L == [1, 2, 4, 5]
    (failure,) = failed
    assert isinstance(failure, Failure)
    assert (failure.node, failure.ordinal, failure.element) == ("map(fail_on_2)", 3, 2)
    assert isinstance(failure.exception, ArithmeticError)


def test_on_exception(pool):
    source = Stream()
    node = source.scatter(pool).map(fail_on_2)
    L = node.gather().sink_to_list()
    failed = node.on_exception().map(lambda failure: failure.element).sink_to_list()
    source.emit_many(range(4))
    source.drain()
    assert (L, failed) == ([0, 1, 3], [2])


def test_a_failure_before_a_fork_is_reported_once(pool):
    source, failures = Stream(), Stream()
    failed = failures.sink_to_list()
    shared = source.scatter(pool).map(fail_on_2, on_error=failures)
    L = shared.map(add, 1).gather().sink_to_list()
    M = shared.map(add, 2).gather().sink_to_list()
    source.emit_many(range(4))
    source.drain()
    assert (L, M, len(failed)) == ([1, 2, 4], [2, 3, 5], 1)


@pytest.mark.parametrize("on_error", ["explode", 3])
def test_a_wrong_policy_is_refused(pool, on_error):
    with pytest.raises((ValueError, TypeError), match="on_error"):
        Stream().scatter(pool).map(str, on_error=on_error)


@pytest.mark.parametrize("error", [StopIteration("end"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exceptions_with_a_meaning_to_event_loops_are_ordinary_failures(pool, error):
    def fail(x):
        raise error

    source = Stream()
    L = source.scatter(pool).map(fail).gather().sink_to_list()
    with pytest.raises(RuntimeError):
        source.emit(1)
    source.drain()
    assert L == []


def test_an_unpicklable_element_fails_alone():
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        source = Stream()
        L = source.scatter(pool).map(str).buffer(20).gather().sink_to_list()
        source.emit_many([1, 2, threading.Lock(), *range(10)])
        with pytest.raises(TypeError, match="pickle"):
            source.drain()
        assert L == [str(x) for x in (1, 2, *range(10))]


# Acknowledgement.


def test_counters_of_dropped_and_delivered_elements_are_released(pool):
    log = []
    source = Stream()
    source.scatter(pool).map(fail_on_2, on_error="skip").filter(is_odd).buffer(3).gather().sink(log.append)
    for x in range(6):
        source.emit(x, metadata=[{"ref": RefCounter(cb=lambda x=x: log.append(f"done {x}"))}])
    source.drain()
    assert log == ["done 0", 1, "done 1", "done 2", 3, "done 3", "done 4", 5, "done 5"]


def test_a_failure_does_not_acknowledge(pool):
    counters = [RefCounter(cb=lambda: pytest.fail("it was not delivered")), RefCounter()]
    source = Stream()
    source.scatter(pool).map(fail_on_2).gather().sink_to_list()
    with pytest.raises(ArithmeticError):
        source.emit(2, metadata=[{"ref": counters[0]}])
    source.drain()
    assert counters[0].count == 0


# State.


def test_accumulate_can_be_reset_in_order(pool):
    source, reset = Stream(), Stream()
    total = source.scatter(pool).map(add, 0).buffer(10).accumulate(add, start=0, reset_stream=reset)
    L = total.gather().sink_to_list()
    source.emit_many([1, 2])
    total.reset()
    source.emit_many([5, 6])
    source.drain()
    assert L == [1, 3, 5, 11] or L == [1, 3, 8, 14]
    assert L[-1] - L[-2] == 6


def test_pipelines_on_one_engine_have_separate_states(pool):
    one, two = Stream(), Stream()
    L, M = (s.scatter(pool).accumulate(add).gather().sink_to_list() for s in (one, two))
    for x in range(4):
        one.emit(x)
        two.emit(10 * x)
    one.drain()
    two.drain()
    assert (L, M) == ([0, 1, 3, 6], [0, 10, 30, 60])


# Elements seen by sinks before `gather`.


def test_sinks_before_gather_get_future_like_elements(pool):
    source = Stream()
    L = source.scatter(pool).map(fail_on_2).filter(is_odd).sink_to_list()
    source.emit_many([1, 2, 4])
    assert [type(element) for element in L] == [Element] * 3
    assert L[0].result(PATIENCE) == 1
    with pytest.raises(ArithmeticError):
        L[1].result(PATIENCE)
    with pytest.raises(LookupError):
        L[2].result(PATIENCE)


def test_elements_can_be_awaited_on_any_loop(pool):
    source = Stream()
    L = source.scatter(pool).map(add, 1).sink_to_list()
    source.emit(1)

    async def main():
        return await L[0]

    assert asyncio.run(main()) == 2


# Engines.


def test_backends_by_name_by_function_and_by_client(pool):
    for options in ({"backend": "thread"}, {"backend": lambda: pool}, {"client": pool}):
        source = Stream()
        L = source.scatter(**options).map(add, 1).gather().sink_to_list()
        source.emit(1)
        source.drain()
        assert L == [2]


def test_a_non_client_is_refused():
    with pytest.raises(TypeError, match="`client`"):
        Stream().scatter(client=5)
    with pytest.raises(ValueError, match="'spark'"):
        Stream().scatter(backend="spark")


def test_backends_are_not_mixed(pool):
    source = Stream()
    with ThreadPoolExecutor(1) as other, pytest.raises(RuntimeError, match="backends"):
        source.scatter(pool).zip(source.scatter(other))
    # After `gather` they are ordinary streams.
    source.scatter(pool).gather().scatter(backend="thread")


def test_an_executor_that_was_shut_down_fails_its_elements(pool):
    source = Stream()
    L = source.scatter(pool).map(add, 1).gather().sink_to_list()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        source.emit(1)
    source.drain()
    assert L == []


def ways_to_start():
    return [way for way in ("fork", "forkserver", "spawn") if way in get_all_start_methods()]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("way", ways_to_start())
def test_scattering_to_processes(way):
    with ProcessPoolExecutor(2, get_context(way)) as pool:
        source = Stream()
        mapped = source.scatter(pool).map(add, 1).filter((1).__and__)
        L = mapped.partition(2).starmap(add).accumulate(add).gather().sink_to_list()
        source.emit_many(range(8))
        source.drain()
    assert L == [1 + 3, 1 + 3 + 5 + 7]


@pytest.fixture
def processes():
    """A process-based client with two workers, reduced to what streams need."""
    from thalweg._thalweg.tasks import Engine
    from thalweg.tasks.process.worker import command

    engine = Engine.processes(2, 1, command=command())
    yield SimpleNamespace(_engine=engine)
    engine.close()


def test_scattering_to_thalweg_processes(processes):
    source = Stream()
    mapped = source.scatter(processes).map(lambda x: x + 1).filter(lambda x: x % 2).buffer(5)
    L = mapped.partition(2).starmap(lambda a, b: a + b).accumulate(add).gather().sink_to_list()
    source.emit_many(range(8))
    source.drain()
    assert L == [1 + 3, 1 + 3 + 5 + 7]


@pytest.mark.parametrize("stateful", [False, True])
def test_nothing_is_lost_with_a_process(processes, stateful):
    def slowly(x):
        time.sleep(0.002)
        return x

    source = Stream()
    mapped = source.scatter(processes).map(slowly).buffer(20)
    L = (mapped.accumulate(add) if stateful else mapped).gather().sink_to_list()
    for x in range(100):
        source.emit(x)
        if x == 50:
            os.kill(processes._engine.info()["workers"][0]["pid"], signal.SIGKILL)
    source.drain()
    assert L == ([sum(range(x + 1)) for x in range(100)] if stateful else list(range(100)))


def test_an_async_def_is_awaited_on_the_engine(pool):
    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    async def is_odd_later(x):
        await asyncio.sleep(0)
        return x % 2

    assert collected(lambda s: s.map(later).filter(is_odd_later).gather(), range(4), pool) == [1, 3]
    assert collected(lambda s: s.map_async(later, parallelism=3).gather(), range(4), pool) == [1, 2, 3, 4]


def test_on_a_virtual_clock(pool):
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = source.scatter(pool).map(add, 1).filter(is_odd).timed_window("1s").gather().sink_to_list()
    source.emit_many([0, 1, 2])
    clock.advance("1s")
    source.emit(4)
    clock.advance("2s")
    assert L == [[1, 3], [5], []]


def test_every_operator_keeps_elements_on_the_engine(pool):
    on_engine = Stream(loop=VirtualClock()).scatter(pool)
    built = [
        on_engine.map(str),
        on_engine.zip_latest(on_engine),
        on_engine.unique(),
        on_engine.buffer(3),
        on_engine.collect(),
        on_engine.debounce("1s"),
        on_engine.throttle("1s"),
        on_engine.sample("1s"),
        on_engine.shift("1s"),
        on_engine.timed_window_unique("1s"),
        on_engine.frequencies(),
        on_engine.concat(),
        on_engine.scan(add),
        on_engine.scatter(),
    ]
    assert [type(node).__name__ for node in built if not isinstance(node, ParallelStream)] == []


# Shutdown.


@pytest.mark.parametrize("ending", ["", "source.drain()", "source.__exit__()"])
def test_nothing_is_lost_at_the_end_of_a_program(python, ending):
    program = f"""
import time
from thalweg import Stream
from concurrent.futures import ThreadPoolExecutor

def slow(x):
    time.sleep(0.01)
    return x

source = Stream()
pool = ThreadPoolExecutor(2)
source.scatter(pool).map(slow).buffer(50).gather().sink(print)
for x in range(40):
    source.emit(x)
{ending}
"""
    ended = python("-c", program)
    assert ended.stdout.split() == [str(x) for x in range(40)], ended.stderr
    assert ended.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_delivers_no_elements_of_its_parent(python):
    program = """
import os
from thalweg import Stream
from thalweg.tasks import Client

client = Client(processes=True, n_workers=1)
source = Stream()
source.partition(10).scatter(client).map(str).gather().sink(print)
source.emit(1)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    ended = python("-W", "ignore::DeprecationWarning", "-c", program)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("(1,)\n", "", 0)


def test_destroyed_nodes_still_deliver_scattered_elements(pool):
    may_go = threading.Event()
    source = Stream()
    scattered = source.scatter(pool)
    L = scattered.map(lambda x: may_go.wait(PATIENCE) and x).buffer(2).gather().sink_to_list()
    source.emit_many([1, 2])
    scattered.destroy()
    may_go.set()
    source.drain()
    assert L == [1, 2]


def test_undelivered_elements_are_reported(pool):
    may_go = threading.Event()
    source = Stream()
    source.scatter(pool).map(lambda x: may_go.wait(PATIENCE)).buffer(1).gather().sink_to_list()
    source.emit(1)
    with pytest.raises(UndeliveredError, match="gather"):
        source.drain(timeout=0.05)
    may_go.set()
