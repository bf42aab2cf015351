"""Results of tasks: iterators, shared primitives, graphs, keys and ownership."""

from __future__ import annotations

import asyncio
import collections
import pickle
import subprocess
import sys
import textwrap
import traceback

import pytest

import thalweg.distributed as distributed
from thalweg.tasks import (
    Client,
    Future,
    RemoteError,
    UnpicklableError,
    as_completed,
    futures_of,
    get_client,
    get_worker,
    wait,
)

MODES = {"threads": {"n_workers": 2}, "processes": {"processes": True, "n_workers": 2}}


@pytest.fixture(scope="module")
def clients():
    started = {}
    yield started
    for client in started.values():
        client.close()


@pytest.fixture(params=MODES)
def client(request, clients):
    """A client of either kind, which is the default one."""
    if request.param not in clients:
        clients[request.param] = Client(**MODES[request.param], set_as_default=False)
    with clients[request.param].as_current():
        yield clients[request.param]


def increment(x):
    return x + 1


def divide(x, y):
    return x // y


def stop(kind):
    raise kind("in a task")


# Iterators


def test_next_batch_with_a_failure_loses_nothing(client):
    futures = client.map(divide, [10] * 5, [1, 2, 0, 5, 10])
    wait([future for future in futures if not future.exception()])
    ended = as_completed(futures, with_results=True)
    seen = []
    while True:
        try:
            seen += [result for _, result in ended.next_batch()]
        except StopIteration:
            break
        except ZeroDivisionError:
            seen.append("error")
    assert sorted(map(str, seen)) == ["1", "10", "2", "5", "error"]
    assert ended.is_empty()


def test_next_batch_of_failures_only(client):
    futures = client.map(divide, [1, 1, 1], [0, 0, 0])
    [future.exception() for future in futures]
    ended, failures = as_completed(futures, with_results=True), 0
    for _ in futures:
        with pytest.raises(ZeroDivisionError):
            ended.next_batch(block=False)
        failures += 1
    assert failures == 3 and ended.next_batch(block=False) == []


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit])
def test_stop_iteration_in_a_task_ends_no_loop_silently(client, kind):
    def completed():
        yield from as_completed([client.submit(stop, kind)], with_results=True)

    loops = [
        lambda: as_completed([client.submit(stop, kind)], with_results=True),
        completed,
        lambda: as_completed([client.submit(stop, kind)], with_results=True).batches(),
        lambda: client.gather(iter([client.submit(stop, kind)])),
        lambda: client.get_executor().map(stop, [kind]),
    ]
    for loop in loops:
        with pytest.raises(RuntimeError, match=r"in a task|generator raised"):
            for _ in loop():
                pass
    # Outside a loop, the original exception is raised.
    with pytest.raises(kind):
        client.submit(stop, kind).result()


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit])
def test_stop_iteration_in_a_task_ends_no_asynchronous_loop_silently(client, kind):
    async def main():
        with pytest.raises(RuntimeError, match="in a task"):
            async for _ in as_completed([client.submit(stop, kind)], with_results=True):
                pass

    asyncio.run(main())


def test_as_completed_refuses_non_futures(client):
    for wrong in ([1], ["text"], [client.submit(increment, 1), None]):
        with pytest.raises(TypeError, match="as_completed: a future"):
            as_completed(wrong)
    assert list(as_completed([])) == []


# Futures in graphs and containers

Point = collections.namedtuple("Point", "x y")


class Items(list):
    pass


def test_futures_in_containers_of_other_classes(client):
    future = client.submit(increment, 1)
    assert client.submit(sum, Items([future, 1])).result() == 3
    assert client.submit(tuple, Point(future, 5)).result() == (2, 5)
    ordered = client.submit(dict, collections.OrderedDict(a=future)).result()
    counted = collections.defaultdict(list, a=future)
    assert ordered == client.submit(dict, counted).result() == {"a": 2}
    assert client.gather(Point(future, [future])) == Point(2, [2])
    gathered = client.gather(collections.defaultdict(list, a=future))
    assert (gathered["a"], gathered["b"]) == (2, [])
    assert isinstance(client.gather(Items([future])), Items)


def test_futures_in_graphs(client):
    delayed = pytest.importorskip("dask").delayed
    future, scattered = client.submit(increment, 1), client.scatter(5)
    graphs = [
        (delayed(increment)(future), 3),
        (delayed(increment)(scattered), 6),
        (delayed(sum)([future, scattered, delayed(increment)(1)]), 9),
        (delayed(future), 2),
        (delayed(dict)(a=future), {"a": 2}),
        (delayed(dict)({"a": [future, {"b": scattered}]}), {"a": [2, {"b": 5}]}),
        (delayed(tuple)(Point(future, 1)), (2, 1)),
    ]
    for graph, expected in graphs:
        assert client.compute(graph).result() == expected
    assert client.get({"y": (increment, future), "z": (sum, ["y", scattered])}, ["y", "z"]) == [3, 8]
    assert client.get({"y": future, "z": [future, "y"]}, ["y", "z"]) == [2, [2, 2]]


def test_futures_in_fused_blocks(client):
    array = pytest.importorskip("dask.array")
    added = array.ones(4, chunks=2).map_blocks(lambda block, k: block + k, k=client.scatter(5), dtype=float)
    assert client.compute((added + 1).sum()).result() == 28


def test_a_failing_future_in_a_graph(client):
    delayed = pytest.importorskip("dask").delayed
    with pytest.raises(ZeroDivisionError):
        client.compute(delayed(increment)(client.submit(divide, 1, 0))).result()
    with Client(n_workers=1, set_as_default=False) as other, pytest.raises(ValueError, match="another client"):
        client.compute(delayed(increment)(other.submit(increment, 1)))


def test_tokens_of_futures(client):
    tokenize = pytest.importorskip("dask.tokenize").tokenize
    one, other = client.submit(increment, 1), client.submit(increment, 1)
    assert tokenize(one) == tokenize(one) != tokenize(other)


def _fail_once(path):
    if not path.exists():
        path.touch()
        raise ValueError("the first time")
    return "the second time"


def test_annotations(client, tmp_path):
    dask = pytest.importorskip("dask")
    with dask.annotate(retries=2):
        graph = dask.delayed(_fail_once)(tmp_path / "a")
        assert client.submit(_fail_once, tmp_path / "b").result() == "the second time"
        assert client.gather(client.map(_fail_once, [tmp_path / "c"])) == ["the second time"]
    assert client.compute(graph).result() == "the second time"
    with dask.annotate(retries=lambda key: 2):
        graph = dask.delayed(_fail_once)(tmp_path / "d")
    assert client.compute(graph).result() == "the second time"
    with pytest.raises(ValueError, match="the first time"):
        client.submit(_fail_once, tmp_path / "e").result()
    with dask.annotate(workers=["somewhere"]), pytest.raises(ValueError, match="workers"):
        client.submit(increment, 1)


# Primitives shared by tasks


def _put(x):
    distributed.Queue("from a task").put(get_client().submit(increment, x))
    distributed.Variable("of a task").set(get_client().submit(increment, x))
    get_client().publish_dataset(future=get_client().submit(increment, x), override=True)
    get_client().set_metadata(["of a task", "x"], x)


def _get():
    return (
        distributed.Queue("to a task").get(timeout=60).result(),
        distributed.Variable("for tasks").get(timeout=60).result(),
        get_client().get_dataset("mine").result(),
        get_client().get_metadata(["mine", "seed"]),
        get_client().get_metadata("nothing", default="nothing"),
    )


def test_tasks_share_primitives_with_their_client(client):
    client.submit(_put, 4).result()
    assert distributed.Queue("from a task").get(timeout=60).result() == 5
    assert distributed.Variable("of a task").get(timeout=60).result() == 5
    assert client.get_dataset("future").result() == 5
    assert client.get_metadata("of a task") == {"x": 4}


def test_a_client_shares_primitives_with_its_tasks(client):
    distributed.Queue("to a task").put(client.submit(increment, 1))
    distributed.Variable("for tasks").set(client.submit(increment, 2))
    client.publish_dataset(client.submit(increment, 3), name="mine", override=True)
    client.set_metadata(["mine", "seed"], 7)
    assert client.submit(_get).result() == (2, 3, 4, 7, "nothing")


def _missing():
    errors = []
    for ask in (lambda: get_client().get_dataset("none"), lambda: get_client().unpublish_dataset("none")):
        try:
            ask()
        except KeyError as error:
            errors.append(str(error))
    return errors


def test_missing_datasets_raise(client):
    assert client.submit(_missing).result() == ["\"there is no data set 'none'\""] * 2


class Holder:
    def __init__(self, value):
        self.value = value


def _result_of(holder):
    return holder.value.result()


def test_a_future_inside_an_object_stays_a_future(client):
    assert client.submit(_result_of, Holder(client.submit(increment, 1))).result() == 2
    kept = client.submit(increment, 2)
    assert client.submit(lambda: kept.result()).result() == 3


def _returns_a_future(x):
    return get_client().submit(increment, x)


def test_a_task_that_returns_a_future(client):
    outer = client.submit(_returns_a_future, 1)
    assert outer.result().result() == 2


def test_pickles_of_futures(client):
    future = client.submit(increment, 1)
    data = pickle.dumps(future)
    assert pickle.loads(data).result() == 2
    del future
    with pytest.raises(LookupError, match="no task with the key"):
        pickle.loads(data)


# Keys


def test_scattered_futures_have_keys_of_their_own(client):
    futures = client.scatter([1, 2, 2, "a"])
    assert len({future.key for future in futures}) == 4
    assert all(future.key.startswith("int-") for future in futures[:3])
    named = client.scatter({"a": 1, ("b", 1): 2})
    assert named["a"].key == "a" and named["b", 1].key == ("b", 1)
    again = client.scatter({"a": 10})
    assert again["a"].key != "a" and client.gather([named["a"], again["a"]]) == [1, 10]


def test_a_reused_key_with_another_call_is_refused(client):
    first = client.submit(increment, 1, key="one")
    assert client.submit(increment, 1, key="one").key == "one"
    for other in [lambda: client.submit(increment, 2, key="one"), lambda: client.submit(divide, 1, 1, key="one")]:
        with pytest.raises(ValueError, match='key: "one"'):
            other()
    with pytest.raises(ValueError, match='key: "a"'):
        client.map(increment, [1, 2], key=["a", "a"])
    assert first.result() == 2
    del first
    assert client.submit(increment, 2, key="one").result() == 3


def test_map_keys_with_a_common_prefix(client):
    some, more = client.map(increment, range(3), key="n"), client.map(increment, range(5), key="n")
    keys = [future.key for future in (*some, *more)]
    assert len(set(keys)) == 8 and all(key.startswith("n-") for key in keys)
    assert client.gather(more) == [1, 2, 3, 4, 5]


def test_keys_may_be_other_than_text(client):
    for key in [("x", 0), 5, b"bytes", ("x", ("y", 1.5))]:
        future = client.submit(increment, 1, key=key)
        assert future.key == key and type(future.key) is type(key)
        assert Future(key, client).result() == 2
    with pytest.raises(TypeError, match="key"):
        client.submit(increment, 1, key=["x"])
    with pytest.raises(LookupError):
        Future("nobody has it", client)


# The worker


def _set():
    get_worker().connection = 5


def test_get_worker_returns_one_object_per_worker(client):
    client.run(_set)
    assert client.gather([client.submit(lambda: get_worker().connection) for _ in range(8)]) == [5] * 8
    assert client.submit(lambda: get_worker() is get_worker()).result()
    with pytest.raises(ValueError, match="no task runs here"):
        get_worker()


def test_client_run_passes_the_worker(client):
    names = client.run(lambda dask_worker: dask_worker.name)
    assert list(names) == list(names.values())


# Ownership of values


def _change(array):
    array[0] = array[0] + 1
    return array[0]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_in_processes_a_task_may_change_its_arguments(size):
    numpy = pytest.importorskip("numpy")
    with Client(processes=True, n_workers=1) as client:
        makers = [
            lambda: client.submit(numpy.zeros, size),
            lambda: client.scatter(numpy.zeros(size)),
            lambda: client.submit(list, range(size)),
            lambda: client.scatter([[0] * size])[0],
        ]
        for make in makers:
            future = make()
            wait(future)
            assert [client.submit(_change, future, key=f"{size}-{n}").result() for n in range(3)] == [1, 1, 1]
            mine = future.result()
            assert _change(mine) == 1
            assert future.result()[0] == 0


def test_in_processes_read_only_values_stay_read_only():
    numpy = pytest.importorskip("numpy")
    for size in (10, 1_000_000):
        array = numpy.zeros(size)
        array.flags.writeable = False
        with Client(processes=True, n_workers=1) as client:
            future = client.submit(lambda array: array, array)
            assert not client.submit(lambda array: array.flags.writeable, future).result()
            assert not future.result().flags.writeable


# Values that cannot be pickled or unpickled


class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a)

    def __reduce__(self):
        return self.how(), ("text",)

    def how(self):
        return str


class Worse(Odd):
    def how(self):
        raise RuntimeError("no pickle")


class Untellable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __reduce__(self):
        raise RuntimeError("no pickle")


def _raise(kind):
    raise kind(1, 2)


@pytest.mark.parametrize("kind", [Odd, Worse, Untellable])
def test_exceptions_that_cannot_be_sent_become_remote_errors(kind):
    with Client(processes=True, n_workers=1) as client:
        future = client.submit(_raise, kind, key="odd")
        with pytest.raises(RemoteError, match=f"the task 'odd': {kind.__name__}"):
            future.result()
        assert isinstance(future.exception(), RemoteError)
        assert client.submit(increment, 1).result() == 2


class OfTwo(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


class Named(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class Missing(OSError):
    def __init__(self, path):
        super().__init__(2, "missing", path)


class Several(Exception):
    def __init__(self, first, second):
        super().__init__([first, second])


EXCEPTIONS = {
    "two arguments": (OfTwo("a", 2), "OfTwo('a')", {"b": 2}),
    "a keyword": (Named(code=5), "Named('code 5')", {"code": 5}),
    "an error of the system": (Missing("file"), "Missing(2, 'missing')", {}),
    "exceptions in an exception": (
        Several(OfTwo(1, 2), ValueError(3)),
        "Several([OfTwo(1), ValueError(3)])",
        {},
    ),
}


def _raise_named(name):
    raise EXCEPTIONS[name][0]


@pytest.mark.parametrize("name", EXCEPTIONS)
@pytest.mark.parametrize("processes", [False, True])
def test_exceptions_whose_constructors_take_other_arguments_keep_their_class(processes, name):
    original, text, attributes = EXCEPTIONS[name]
    with Client(processes=processes, n_workers=1) as client:
        error = client.submit(_raise_named, name).exception()
        assert type(error) is type(original)
        assert (repr(error), str(error), error.__dict__) == (text, str(original), attributes)
        assert client.submit(_error_of_another, name).result() == [text, text]


def _error_of_another(name):
    future = get_client().submit(_raise_named, name)
    with pytest.raises(type(EXCEPTIONS[name][0])) as caught:
        future.result()
    return [repr(caught.value), repr(future.exception())]


@pytest.mark.parametrize("processes", [False, True])
def test_tracebacks_lead_to_the_function_that_raised(processes):
    with Client(processes=processes, n_workers=1) as client:
        future = client.submit(_raise_named, "a keyword")
        for _ in range(2):
            frames = traceback.extract_tb(future.traceback())
            assert frames[-1].name == "_raise_named"
            assert frames[-1].line == "raise EXCEPTIONS[name][0]"
            with pytest.raises(Named):
                future.result()
        _, (kind, _, where) = next(as_completed([future], with_results=True, raise_errors=False))
        assert kind is Named
        assert traceback.extract_tb(where)[-1].name == "_raise_named"
        assert client.submit(_traceback_of_another).result() == "_raise_named"


def _traceback_of_another():
    return traceback.extract_tb(get_client().submit(_raise_named, "a keyword").traceback())[-1].name


def test_deep_tracebacks_keep_both_ends():
    with Client(processes=True, n_workers=1) as client:
        frames = traceback.extract_tb(client.submit(_dig, 500).traceback())
    assert [frame.name for frame in frames] == ["_dig"] * 99 + ["_raise_named"]


def _dig(depth):
    return _dig(depth - 1) if depth else _raise_named("a keyword")


def test_an_unpicklable_result_is_an_error():
    with Client(processes=True, n_workers=1) as client:
        future = client.submit(_generator, key="lazy")
        with pytest.raises(UnpicklableError, match="the task 'lazy': the result of _generator"):
            future.result()


def _generator():
    return (x for x in range(3))


def test_a_result_that_fails_to_unpickle_is_an_error():
    program = """
    import sys, types
    from thalweg.tasks import Client, RemoteError

    def make():
        import types
        module = types.ModuleType("only_there")
        exec("class Thing: pass\\nclass Wrong(Exception): pass", module.__dict__)
        sys.modules["only_there"] = module
        return module

    def thing():
        return make().Thing()

    def wrong():
        raise make().Wrong("so it is")

    if __name__ == "__main__":
        with Client(processes=True, n_workers=1) as client:
            for function in (thing, wrong):
                try:
                    client.submit(function, key=function.__name__).result()
                except RemoteError as error:
                    print(error)
    """
    command = [sys.executable, "-I", "-c", textwrap.dedent(program)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert told[0].startswith("the result of the task 'thing' can't be read in this process: ModuleNotFoundError")
    assert told[1].startswith("the task 'wrong': only_there.Wrong: so it is")


@pytest.mark.parametrize("kind", [list, dict])
def test_containers_that_contain_themselves(kind):
    with Client(n_workers=1) as client:
        future = client.submit(abs, -1)
        endless = [future] if kind is list else {0: future}
        endless.append(endless) if kind is list else endless.update({1: endless})
        gathered = client.gather(endless)
        assert gathered[0] == 1
        # Nested occurrences keep their identity.
        assert gathered[1] is endless
        assert futures_of(endless) == [future]
        assert client.submit(lambda x: x[0], endless).result() == 1
