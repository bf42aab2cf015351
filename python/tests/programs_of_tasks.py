"""Programs for `dask.distributed`, and helpers that compare their results.

Each program gets the module (`distributed` or `thalweg.distributed`) and a client.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {}

#: State changed by functions: closed-over lists would be copied on a Dask cluster.
STATE: dict[str, list[Any]] = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def increment(x):
    return x + 1


def fail(x):
    raise ZeroDivisionError(x)


def outcome(function, *args: Any, **kwargs: Any):
    """A result, or the name of the raised type."""
    try:
        return function(*args, **kwargs)
    except CancelledError:
        # Dask and the standard library have different classes.
        return "CancelledError"
    except Exception as error:
        return type(error).__name__


def divide_by_next(name):
    return 1 / STATE[name].pop()


def note(name):
    STATE[name].append(name)


def enter(lock):
    with lock:
        STATE["inside"].append(1)
        inside = len(STATE["inside"])
        STATE["inside"].pop()
    return inside


@program
def gathering_nested_results(d, client):
    a, b, c = client.map(increment, [0, 1, 2])
    return client.gather([a, [b, {"c": c, "d": (a, b)}], 4])


@program
def one_result(d, client):
    future = client.submit(increment, 1)
    return client.gather(future), future.result(), future.done(), future.status, future.exception(), future.cancelled()


@program
def failures(d, client):
    future = client.submit(fail, 1)
    dependent = client.submit(increment, future)
    return [
        (outcome(each.result), type(each.exception()).__name__, each.status, each.done())
        for each in (future, dependent)
    ] + [outcome(client.gather, [1, future, dependent])]


@program
def tracebacks(d, client):
    return [future.traceback() is not None for future in client.map(fail, [1, 2])]


@program
def skipping_failures(d, client):
    futures = client.map(increment, [0, "x", 2])
    return client.gather(futures, errors="skip")


@program
def futures_as_arguments(d, client):
    a = client.submit(increment, 1)
    b = client.submit(sum, [a, a, 3])
    c = client.submit(lambda table, key: table[key][0], {"x": (b, a)}, key="x")
    d = client.submit(dict, x=a, y=[b])
    return client.gather([b, d]), c.key


@program
def iterables_of_different_lengths(d, client):
    return client.gather(client.map(lambda x, y, z=0: (x, y, z), range(3), [4, 5], z=1))


@program
def no_elements(d, client):
    return client.map(increment, []), client.gather([]), client.gather({})


@program
def scattered_values(d, client):
    several = client.scatter([1, 2])
    named = client.scatter({"a": 1, "b": [2]})
    single = client.scatter("abc")
    return (
        type(several).__name__,
        client.gather(several),
        client.gather(named),
        client.gather(single),
        client.submit(sum, several).result(),
        client.gather(client.scatter((1, 2))),
        client.gather(client.scatter(range(2))),
    )


@program
def waiting_for_all(d, client):
    futures = client.map(increment, range(3))
    done, not_done = d.wait(futures)
    return done == set(futures), not_done == set(), d.wait(futures[0]).done == {futures[0]}


@program
def wait_times_out(d, client):
    event = d.Event("waiting in vain")
    event.clear()
    future = client.submit(lambda: d.Event("waiting in vain").wait(), pure=False)
    late = outcome(d.wait, future, timeout=0.01), outcome(future.result, timeout=0.01)
    event.set()
    return late, future.result()


@program
def waiting_for_the_first(d, client):
    future = client.submit(lambda: d.Event("waiting for the first").wait())
    other = client.submit(increment, 1)
    done, not_done = d.wait([future, other], return_when="FIRST_COMPLETED")
    d.Event("waiting for the first").set()
    return done == {other}, not_done == {future}


@program
def waiting_for_failed_futures(d, client):
    futures = client.map(increment, [1, "x"])
    return len(d.wait(futures).done)


@program
def waiting_for_cancelled_futures(d, client):
    future = client.submit(lambda: d.Event("cancelled").wait(), key="cancelled")
    client.cancel([future])
    late = outcome(d.wait, [future]), outcome(future.result), future.cancelled(), future.status, future.done()
    d.Event("cancelled").set()
    return late


@program
def dependents_of_cancelled_futures(d, client):
    future = client.submit(lambda: d.Event("cancelled too").wait())
    dependent = client.submit(increment, future)
    client.cancel(future)
    late = outcome(dependent.result)
    d.Event("cancelled too").set()
    return late


@program
def as_completed_order(d, client):
    ended = d.as_completed(client.map(increment, range(5)))
    counts = ended.count(), ended.is_empty()
    results = sorted(future.result() for future in ended)
    return counts, results, ended.count(), ended.is_empty(), ended.has_ready()


@program
def as_completed_with_results(d, client):
    futures = client.map(increment, range(5))
    return sorted(result for future, result in d.as_completed(futures, with_results=True))


@program
def as_completed_with_failures(d, client):
    futures = client.map(increment, [1, "x"])
    raised = outcome(list, d.as_completed(futures, with_results=True))
    found = dict(d.as_completed(futures, with_results=True, raise_errors=False))
    return raised, found[futures[0]], [found[futures[1]][0].__name__, isinstance(found[futures[1]][1], TypeError)]


@program
def adding_to_as_completed(d, client):
    ended = d.as_completed([client.submit(increment, 0)])
    results = []
    for future in ended:
        results.append(future.result())
        if len(results) < 4:
            ended.add(client.submit(increment, future))
        elif len(results) == 4:
            ended.update(client.map(increment, [10, 10]))
    return results


@program
def batches(d, client):
    futures = client.map(increment, range(10))
    ended = d.as_completed(futures)
    found = [future.result() for batch in ended.batches() for future in batch]
    d.wait(futures)
    every = d.as_completed(futures)
    return sorted(found), len(d.as_completed([]).next_batch(block=False)), every.count()


@program
def clearing_as_completed(d, client):
    ended = d.as_completed([client.submit(lambda: d.Event("forgotten").wait())])
    ended.clear()
    counts = ended.count(), ended.is_empty(), list(ended)
    d.Event("forgotten").set()
    return counts


@program
def as_completed_times_out(d, client):
    future = client.submit(lambda: d.Event("in time").wait())
    late = outcome(next, d.as_completed([future], timeout=0.01))
    d.Event("in time").set()
    return late


@program
def retries(d, client):
    STATE["again"] = [1, 0, 0]
    future = client.submit(divide_by_next, "again", retries=2, key="twice")
    first = future.result()
    STATE["again"] = [1, 0]
    other = client.submit(divide_by_next, "again", retries=0, key="never")
    return first, outcome(other.result), STATE["again"]


@program
def retry_on_request(d, client):
    STATE["request"] = [1, 0]
    future = client.submit(divide_by_next, "request")
    before = outcome(future.result)
    client.retry(future)
    return before, future.result()


@program
def by_key(d, client):
    STATE["mine"] = []
    future = client.submit(note, "mine", key="mine")
    same = client.submit(note, "mine", key="mine")
    named = client.map(increment, [1, 2], key=["one", "two"])
    d.wait([future, same])
    return future.key, same.key, [each.key for each in named], len(STATE["mine"]), client.gather(named)


@program
def pure_calls(d, client):
    one = client.submit(increment, 1, pure=True)
    return (
        one.key == client.submit(increment, 1, pure=True).key,
        one.key == client.submit(increment, 2, pure=True).key,
        client.submit(increment, 1, pure=False).key == client.submit(increment, 1, pure=False).key,
        [f.key for f in client.map(increment, [1], pure=True)]
        == [f.key for f in client.map(increment, [1], pure=True)],
    )


@program
def asynchronous_functions(d, client):
    async def add(x, y=1):
        return x + y

    return client.submit(add, 1).result(), client.gather(client.map(add, [1, 2], y=2))


@program
def callbacks(d, client):
    called: list = []
    both = threading.Semaphore(0)

    def call(future):
        called.append(future.result())
        both.release()

    future = client.submit(increment, 1)
    future.add_done_callback(call)
    future.result()
    future.add_done_callback(call)
    for _ in range(2):
        both.acquire()
    return called


@program
def events(d, client):
    event = d.Event("ready")
    before = event.is_set(), event.wait(timeout=0.01)
    waiting = client.submit(lambda: d.Event("ready").wait())
    event.set()
    after = event.is_set(), event.wait(), waiting.result()
    event.clear()
    return before, after, event.is_set(), d.Event("other").is_set()


@program
def locks(d, client):
    lock = d.Lock("mine")
    first = lock.acquire(), lock.locked(), d.Lock("mine").locked(), d.Lock("mine").acquire(timeout=0.01)
    non_blocking = d.Lock("mine").acquire(blocking=False)
    lock.release()
    with lock:
        inside = lock.locked()
    return first, non_blocking, inside, lock.locked(), d.Lock("other").locked(), outcome(lock.release)


@program
def one_at_a_time(d, client):
    STATE["inside"] = []
    return client.gather(client.map(enter, [d.Lock("one at a time") for _ in range(20)]))


@program
def semaphores(d, client):
    semaphore = d.Semaphore(2, "two")
    first = semaphore.acquire(), semaphore.acquire(), semaphore.acquire(timeout=0.01), semaphore.get_value()
    semaphore.release()
    with semaphore:
        inside = semaphore.get_value()
    return first, inside, semaphore.get_value()


@program
def queues(d, client):
    queue = d.Queue("mine", maxsize=2)
    queue.put(1)
    client.submit(lambda: d.Queue("mine").put(2)).result()
    full = outcome(queue.put, 3, timeout=0.01)
    first = queue.qsize(), queue.get(), queue.get()
    empty = outcome(queue.get, timeout=0.01)
    for value in "ab":
        queue.put(value)
    return full, first, empty, queue.get(batch=True), queue.qsize()


@program
def queue_of_futures(d, client):
    queue = d.Queue("futures")
    queue.put(client.submit(increment, 1))
    return queue.get().result()


@program
def variables(d, client):
    variable = d.Variable("mine")
    empty = outcome(variable.get, timeout=0.01)
    variable.set(1)
    first = d.Variable("mine").get()
    client.submit(lambda: d.Variable("mine").set(2)).result()
    return empty, first, variable.get()


@program
def tasks_that_start_tasks(d, client):
    def by_worker_client(n):
        with d.worker_client() as client:
            return sum(client.gather(client.map(increment, range(n))))

    def by_get_client(n):
        client = d.get_client()
        futures = client.map(increment, range(n))
        d.secede()
        results = client.gather(futures)
        d.rejoin()
        return sum(results)

    return client.submit(by_worker_client, 3).result(), client.gather(client.map(by_get_client, range(10)))


@program
def an_executor(d, client):
    with client.get_executor() as executor:
        future = executor.submit(pow, 2, 3)
        mapped = list(executor.map(operator.add, [1, 2], [3, 4]))
        failed = outcome(executor.submit(fail, 1).result)
    return future.result(), mapped, failed, outcome(executor.submit, pow, 2, 3)


@program
def notes(d, client):
    client.set_metadata("a", 1)
    client.set_metadata(["b", "c"], 2)
    return (
        client.get_metadata("a"),
        client.get_metadata(["b", "c"]),
        client.get_metadata("b"),
        client.get_metadata("z", None),
        outcome(client.get_metadata, "z"),
        outcome(client.get_metadata, ["b", "z"]),
    )


@program
def datasets(d, client):
    future = client.submit(increment, 1)
    client.publish_dataset(mine=future)
    again = outcome(client.publish_dataset, mine=future)
    client.publish_dataset(future, name="other")
    names = sorted(client.list_datasets())
    value = client.get_dataset("mine").result()
    client.unpublish_dataset("mine")
    return again, names, value, client.list_datasets(), outcome(client.get_dataset, "mine"), client.get_dataset("no", 3)


@program
def running_on_workers(d, client):
    results = client.run(pow, 2, 3)
    return set(results.values()), outcome(client.run, fail, 1)


@program
def the_current_client(d, client):
    with client.as_current():
        return d.default_client() is client, d.get_client() is client


@program
def submitting_a_non_callable(d, client):
    return outcome(client.submit, 1), outcome(client.map, 1, [1])


@program
def outside_of_tasks(d, client):
    return outcome(d.get_worker)
