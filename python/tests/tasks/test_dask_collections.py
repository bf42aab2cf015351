"""Dask collections on thalweg's engine: the same results as with Dask."""

from __future__ import annotations

import gc
import operator
import subprocess
import sys
import threading
import weakref
from collections import namedtuple

import pytest

from support import until
from thalweg.tasks import Client, futures_of, get_worker

dask = pytest.importorskip("dask")
task_spec = pytest.importorskip("dask._task_spec")
st = pytest.importorskip("hypothesis.strategies")
hypothesis = pytest.importorskip("hypothesis")

from dask import delayed  # noqa: E402
from dask.local import get_sync  # noqa: E402
from dask.threaded import get as get_threaded  # noqa: E402

Pair = namedtuple("Pair", "left right")


def add(*values, extra=0):
    return sum(values) + extra


def flatten(value):
    if isinstance(value, dict):
        return sum(map(flatten, value.values()))
    return sum(map(flatten, value)) if isinstance(value, (list, tuple, set, frozenset)) else value


GRAPHS = {
    "numbers": ({"a": 1, "b": (add, "a", 2)}, ["b", "a"]),
    "lists": ({"a": 1, "b": (flatten, ["a", ["a", 3]])}, "b"),
    "dictionaries": ({"a": 1, "b": (dict, {"x": "a", "y": ["a", 5]})}, "b"),
    "tuples as keys": ({("a", 0): 1, ("a", 1): (add, ("a", 0), 1), "b": (flatten, [("a", 0), ("a", 1)])}, "b"),
    "tasks in tasks": ({"a": 1, "b": (add, (add, "a", (add, "a", 5)), 7)}, "b"),
    "other names": ({"a": 1, "b": "a", "c": "b", "d": (add, "c", "b")}, ["d", "c"]),
    "lists of keys": ({"a": 1, "b": ["a", "a", [2, "a"]], "c": (flatten, "b")}, ["b", "c"]),
    "keys at any depth": ({"a": 1, "b": (add, "a")}, [["a", ["b"]], "a"]),
    "values that are not keys": ({"a": (add, 1), "b": (len, "xyz"), "c": (len, ("x", "y"))}, ["a", "b", "c"]),
    "numbers as keys": ({1: (add, 5), 2: (add, 1, 1.5), "c": (add, 1, 2)}, "c"),
    "named tuples": ({"a": 1, "b": (flatten, Pair("a", 5))}, "b"),
    "sets": ({"a": 1, "b": (flatten, {5, 7})}, "b"),
    "functions as values": ({"a": add, "b": (lambda f, x: f(x, 1), "a", 3)}, "b"),
    "none": ({"a": None, "b": (lambda x: x is None, "a")}, "b"),
    "an empty list": ({"a": 1}, []),
    "unhashable": ({"a": 1, "b": (len, ([1],))}, "b"),
}


@pytest.mark.parametrize(("graph", "keys"), GRAPHS.values(), ids=GRAPHS.keys())
def test_graphs_of_the_older_kind(client, graph, keys):
    def as_lists(value):
        return [as_lists(each) for each in value] if isinstance(keys, list) and isinstance(value, tuple) else value

    if keys:
        assert client.get(graph, keys) == as_lists(get_sync(dict(graph), keys))
    else:
        assert client.get(graph, keys) == []


def test_graphs_of_the_newer_kind(client):
    T, A, D, R = task_spec.Task, task_spec.Alias, task_spec.DataNode, task_spec.TaskRef
    graph = {
        "a": D("a", 1),
        "b": T("b", add, R("a"), 2, extra=3),
        "c": T("c", add, R("b"), extra=R("a")),
        "d": T("d", flatten, task_spec.List(R("b"), task_spec.Tuple(R("c"), 4))),
        "e": A("e", "d"),
        "f": T("f", add, T(None, add, R("a"), 1), A("e")),
        "g": task_spec.List(R("f"), R("a")),
        "h": T("h", flatten, task_spec.Dict({"x": R("a"), "y": 5})),
    }
    graph["g"].key = "g"
    keys = list(graph)
    assert client.get(graph, keys) == list(get_sync(dict(graph), keys))


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(st.data())
def test_random_graphs(data):
    graph = {}
    for i in range(data.draw(st.integers(1, 25))):
        earlier = st.sampled_from(list(graph)) if graph else st.integers(0, 9)
        atom = earlier | st.integers(100, 200)
        arg = st.recursive(atom, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
        args = data.draw(st.lists(arg, max_size=4))
        kind = data.draw(st.integers(0, 3))
        key = ("k", i) if data.draw(st.booleans()) else f"k{i}"
        graph[key] = args[0] if kind == 0 and args else (lambda *args: flatten(args), *args)
    keys = data.draw(st.lists(st.sampled_from(list(graph)), min_size=1))
    assert SHARED.get(dict(graph), keys) == list(get_sync(dict(graph), keys))


SHARED = Client(n_workers=3, set_as_default=False)


def test_an_invalid_graph_is_refused(client):
    with pytest.raises(ValueError, match="cycle"):
        client.get({"a": (add, "b"), "b": (add, "c"), "c": (add, "a")}, "a")
    with pytest.raises(ValueError, match="cycle"):
        client.get({"a": (add, "a")}, "a")
    with pytest.raises(ValueError, match="'z'"):
        client.get({"a": 1}, "z")
    with pytest.raises(TypeError, match="'workrs'"):
        client.get({"a": 1}, "a", workrs=1)
    with pytest.raises(ZeroDivisionError):
        client.get({"a": (operator.truediv, 1, 0), "b": (add, "a")}, "b")


def test_a_deep_graph(client):
    graph = {"k0": (add, 1), **{f"k{i}": (operator.add, f"k{i - 1}", 0.5) for i in range(1, 20_000)}}
    assert client.get(graph, "k19999") == 1 + 19_999 / 2


class Value:
    pass


def test_values_are_dropped_when_no_longer_needed():
    alive, most = weakref.WeakSet(), [0]

    def make(*_):
        value = Value()
        alive.add(value)
        most[0] = max(most[0], len(alive))
        return value

    # Each value is consumed by one task of a running sum.
    graph = {}
    for i in range(100):
        graph["value", i] = (make, i)
        graph["used", i] = (lambda value, before: before + 1, ("value", i), ("used", i - 1) if i else 0)
    with Client(n_workers=1) as client:
        assert client.get(graph, ("used", 99)) == 100
        # The worker lets go of the last arguments when its result is there already.
        assert until(lambda: gc.collect() >= 0 and not alive)
    assert most[0] <= 3


def test_delayed(client):
    total = delayed(sum)([delayed(add)(i) for i in range(10)])
    assert client.compute(total).result() == 45
    assert client.compute(total, sync=True) == 45
    one, plain, several = client.compute([delayed(add)(1), 2, [delayed(add)(3), {"a": delayed(add)(4)}]])
    assert (one.result(), plain, several.result()) == (1, 2, [3, {"a": 4}])
    assert client.compute(5) == 5
    with pytest.raises(ZeroDivisionError):
        client.compute(delayed(operator.truediv)(1, 0)).result()


def test_arrays(client):
    da = pytest.importorskip("dask.array")
    x = da.arange(1000, chunks=100).reshape(10, 100)
    y = (x + x.T.sum() - x.mean(axis=0)).std()
    assert client.compute(y).result() == get_threaded(dask.optimize(y)[0].__dask_graph__(), y.__dask_keys__()[0])
    z = da.matmul(x, x.T)
    assert (client.compute(z).result() == z.compute(scheduler="sync")).all()
    both = client.compute([z, y])
    assert (both[0].result() == z.compute(scheduler="sync")).all()


def test_bags(client):
    db = pytest.importorskip("dask.bag")
    bag = db.from_sequence(range(20), npartitions=4).map(add).filter(lambda x: x % 2)
    assert client.compute(bag).result() == list(range(1, 20, 2))
    assert client.compute(bag.sum()).result() == 100
    groups = bag.groupby(lambda x: x % 3)
    expected = groups.compute(scheduler="sync")
    assert sorted((key, sorted(group)) for key, group in client.compute(groups).result()) == sorted(
        (key, sorted(group)) for key, group in expected
    )


def test_data_frames(client):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"x": range(20), "y": [1, 2] * 10}), npartitions=4)
    for result in (frame.groupby("y").x.sum(), frame.x.mean(), frame[frame.x > 5], frame.merge(frame, on="y")):
        expected = result.compute(scheduler="sync")
        found = client.compute(result).result()
        if hasattr(expected, "equals"):
            by = list(getattr(expected, "columns", []))
            if by:
                expected, found = (each.sort_values(by).reset_index(drop=True) for each in (expected, found))
            assert found.equals(expected)
        else:
            assert found == expected
    persisted = client.persist(frame)
    assert len(futures_of(persisted)) == 4
    assert client.compute(persisted.x.sum()).result() == 190
    assert persisted.x.sum().compute(scheduler="sync") == 190


def test_persisted_collections_are_computed_once(client):
    da = pytest.importorskip("dask.array")
    calls = []

    def count(block):
        calls.append(1)
        return block + 1

    x = da.zeros(30, chunks=10).map_blocks(count, dtype=float)
    calls.clear()
    persisted = client.persist(x)
    assert type(persisted) is type(x)
    futures = futures_of(persisted)
    assert len(futures) == 3
    client.gather(futures)
    assert len(calls) == 3
    assert client.compute(persisted.sum()).result() == 30
    assert client.compute((persisted + 1).sum()).result() == 60
    # Dask's own schedulers wait for the futures.
    assert (persisted + 1).sum().compute(scheduler="threads") == 60
    assert persisted.sum().compute(scheduler=client.get) == 30
    again = client.persist(persisted + 1)
    assert client.compute(again.sum()).result() == 60
    assert len(calls) == 3


def test_dask_persist_uses_the_client(client):
    with dask.config.set(scheduler=client.get):
        one, two = dask.persist(delayed(add)(1), delayed(add)(2))
        assert len(futures_of([one, two])) == 2
        assert dask.compute(one, two) == (1, 2)


def test_using_a_persisted_collection_before_it_is_computed(client):
    go_on = threading.Event()
    persisted = client.persist(delayed(lambda: go_on.wait(60) and 5)())
    both = client.compute(delayed(add)(persisted, 1))
    assert not both.done()
    go_on.set()
    assert both.result() == 6


def test_futures_of_another_client_are_refused(client):
    with Client(set_as_default=False) as other:
        persisted = other.persist(delayed(add)(1))
        with pytest.raises(ValueError, match="another client"):
            client.compute(delayed(add)(persisted))


def test_persisting_a_non_collection_is_refused(client):
    with pytest.raises(TypeError, match="5"):
        client.persist(5)


def test_an_open_client_is_the_dask_scheduler():
    # A Dask client of another test may have left a setting.
    dask.config.config.pop("scheduler", None)
    names = []

    def name():
        names.append(threading.current_thread().name)

    with Client() as client:
        mine = client.submit(lambda: threading.current_thread().name.rstrip("0123456789-")).result()
        delayed(name)().compute()
        with dask.config.set(scheduler="sync"):
            delayed(name)().compute()
        # In a task, `compute` uses the task's client and does not occupy its thread while waiting.
        deep = client.map(lambda x: delayed(add)(delayed(add)(x), 1).compute(), range(50))
        assert client.gather(deep) == list(range(1, 51))
    assert names[0].rstrip("0123456789-") == mine
    assert names[1] == threading.main_thread().name
    assert dask.config.get("scheduler", None) is None
    delayed(name)().compute()
    assert names[2].rstrip("0123456789-") != mine


@pytest.mark.parametrize("name", ["distributed", "dask.distributed"])
def test_the_name_of_dasks_scheduler_is_the_open_client(name):
    def worker():
        return get_worker().id

    with Client() as client:
        mine = client.submit(worker).result()
        assert delayed(worker)().compute(scheduler=name) == mine
        with dask.config.set(scheduler=name):
            assert delayed(worker)().compute() == mine
    with pytest.raises(RuntimeError, match="no Client active"):
        delayed(worker)().compute(scheduler=name)


LATER = """
import os
from thalweg.tasks import Client

def in_a_task():
    from dask import delayed
    os.environ["here"] = "yes"
    return delayed(os.environ.get)("here").compute(), delayed(os.getpid)().compute()

if __name__ == "__main__":
    with Client(processes=True, n_workers=1) as client:
        from dask import delayed
        import dask.base
        worker, = client.run(os.getpid).values()
        assert delayed(os.getpid)().compute() == worker
        assert delayed(os.getpid)().compute(scheduler="distributed") == worker
        assert client.submit(in_a_task).result() == ("yes", worker)
        assert "base.py" in dask.base.__loader__.path and dask.base.__spec__.loader is dask.base.__loader__
    assert delayed(os.getpid)().compute() == os.getpid()
    print("done")
"""


def test_dask_may_be_imported_after_a_client_is_created(tmp_path):
    script = tmp_path / "later.py"
    script.write_text(LATER)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (run.stdout, run.stderr) == ("done\n", "")


NESTED = """
from thalweg.tasks import Client

def name():
    from thalweg.tasks import get_worker
    return get_worker().name

def both():
    # Each of the two waits for the other, so that one worker alone would wait for ever.
    import dask
    return sorted(dask.compute(*[dask.delayed(meet)(mine, other) for mine, other in [("a", "b"), ("b", "a")]]))

def meet(mine, other):
    from thalweg.tasks import Event
    Event(mine).set()
    while not Event(other).is_set():
        pass
    return name()

if __name__ == "__main__":
    with Client(processes=True, n_workers=2) as client:
        assert client.submit(both).result() == [0, 1]
        print("done")
"""


def test_tasks_compute_collections_on_all_workers(tmp_path):
    script = tmp_path / "nested.py"
    script.write_text(NESTED)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (run.stdout, run.stderr) == ("done\n", "")


def test_an_explicitly_configured_scheduler_stays():
    with dask.config.set(scheduler="sync"), Client():
        assert dask.config.get("scheduler") == "sync"


def test_options_of_each_task(client):
    left = [1, 0]
    assert client.compute(delayed(lambda: 1 / left.pop())(), retries=1).result() == 1
    with pytest.raises(TimeoutError):
        client.compute(delayed(threading.Event().wait)(0.2), time_limit="10ms").result(timeout=60)
    with dask.annotate(time_limit="10ms"):
        limited = delayed(threading.Event().wait)(0.2)
    with pytest.raises(TimeoutError):
        client.compute(limited, optimize_graph=False).result(timeout=60)
    with dask.annotate(time_limit="soon"):
        limited = delayed(threading.Event().wait)(0.2)
    with pytest.raises(ValueError, match=r"dask\.annotate: `time_limit`"):
        client.compute(limited, optimize_graph=False)
