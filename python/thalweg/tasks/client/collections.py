"""Dask's collections on the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from thalweg._thalweg.tasks import Engine, Future
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import annotated, registry
from thalweg.tasks.client.graph import FutureNode, Plan
from thalweg.tasks.client.keys import to_text

__all__ = ["compute", "get", "normalize", "persist"]

_OLD = "collections need a newer Dask: pip install 'dask>=2025.4'"


def compute(
    engine: Engine, collections: Any, optimize_graph: bool = True, traverse: bool = True, **options: Any
) -> Any:
    """Return futures of the results of collections.

    Examples
    --------
    >>> from dask import delayed
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.collections import compute
    >>> with Client() as client:
    ...     future, other = compute(client._engine, [delayed(abs)(-1), 2])
    ...     future.result(), other
    (1, 2)
    """
    import dask

    several = isinstance(collections, (list, tuple, set, frozenset))
    found = list(collections) if several else [collections]
    if traverse:
        nested = (list, set, tuple, dict, Iterator)
        found = [dask.delayed(each) if isinstance(each, nested) else each for each in found]
    lazy = [each for each in found if dask.is_dask_collection(each)]
    futures = iter(_compute(engine, lazy, optimize_graph, options) if lazy else ())
    results = [next(futures) if dask.is_dask_collection(each) else each for each in found]
    return results if several else results[0]


def _compute(engine: Engine, collections: list[Any], optimize_graph: bool, options: dict[str, Any]) -> list[Any]:
    from dask.base import flatten

    try:
        from dask._expr import FinalizeCompute
        from dask.base import collections_to_expr
    except ImportError as error:
        raise ImportError(_OLD) from error
    expression = FinalizeCompute(collections_to_expr(collections, optimize_graph)).optimize()
    keys = list(flatten(expression.__dask_keys__()))
    futures = _run(engine, expression, keys, options)
    return [futures[key] for key in keys]


def persist(engine: Engine, collections: Any, optimize_graph: bool = True, **options: Any) -> Any:
    """Return collections whose chunks are futures.

    Raises
    ------
    TypeError
        An argument is not a Dask collection.

    Examples
    --------
    >>> from dask import delayed
    >>> from thalweg.tasks import Client, futures_of
    >>> from thalweg.tasks.client.collections import persist
    >>> with Client() as client:
    ...     one = persist(client._engine, delayed(abs)(-1))
    ...     [future.result() for future in futures_of(one)]
    [1]
    """
    import dask
    from dask.base import flatten

    several = isinstance(collections, (list, tuple, set, frozenset))
    found = list(collections) if several else [collections]
    for each in found:
        if not dask.is_dask_collection(each):
            raise TypeError(f"persist: a collection of Dask's, and not {each!r}")
    if not found:
        return []
    try:
        from dask.base import collections_to_expr
    except ImportError as error:
        raise ImportError(_OLD) from error
    expression = collections_to_expr(found, optimize_graph).optimize()
    keys = [list(flatten(each)) for each in expression.__dask_keys__()]
    futures = _run(engine, expression, [key for each in keys for key in each], options)
    registry.shared(engine).persisted.update(futures)
    persisted = []
    for collection, mine in zip(found, keys, strict=True):
        rebuild, state = collection.__dask_postpersist__()
        persisted.append(rebuild({key: FutureNode(key, futures[key]) for key in mine}, *state))
    return persisted if several else persisted[0]


def normalize(engine: Engine, collection: Any) -> Any:
    """Return a collection in whose graph existing tasks are replaced by their futures.

    Tasks needed only by these are dropped.

    Raises
    ------
    TypeError
        It is not a Dask collection.
    """
    import dask
    from dask.base import flatten
    from dask.optimization import cull

    if not dask.is_dask_collection(collection):
        raise TypeError(f"normalize_collection: a collection of Dask's, and not {collection!r}")
    graph = dict(collection.__dask_graph__())
    persisted = registry.shared(engine).persisted
    known = {
        key: future
        for key in graph
        if (future := persisted.get(key)) is not None or (future := engine.find(to_text(key))) is not None
    }
    if not known:
        return collection
    graph.update((key, FutureNode(key, future)) for key, future in known.items())
    graph, _ = cull(graph, list(flatten(collection.__dask_keys__())))
    rebuild, state = collection.__dask_postpersist__()
    return rebuild(graph, *state)


def get(engine: Engine, dsk: Any, keys: Any, **options: Any) -> Any:
    """Return futures of a graph's keys, nested as the keys are.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.collections import get
    >>> with Client() as client:
    ...     get(client._engine, {"a": (abs, -1)}, "a").result()
    1
    """
    flat: list[Any] = []
    _flatten(keys, flat)
    return _pack(keys, _run(engine, dsk, flat, options))


def _flatten(keys: Any, into: list[Any]) -> None:
    if isinstance(keys, list):
        for each in keys:
            _flatten(each, into)
    else:
        into.append(keys)


def _pack(keys: Any, futures: dict[Any, Any]) -> Any:
    if isinstance(keys, list):
        return [_pack(each, futures) for each in keys]
    return futures[keys]


def _run(engine: Engine, graph: Any, keys: list[Any], options: dict[str, Any]) -> dict[Any, Future[Any]]:
    """Run a graph, or an object with a graph, and return the futures of the keys."""
    asked = annotated.of_graph(graph)
    if not isinstance(graph, Mapping):
        if not hasattr(graph, "__dask_graph__"):
            raise TypeError(f"a graph of Dask is a dict of keys and tasks, not {graph!r}")
        graph = graph.__dask_graph__()
    if type(graph) is not dict:
        graph = dict(graph)
    options = {**annotated.current(), **options}
    plan = Plan(graph, engine, {key: _options(**{**options, **more}) for key, more in asked.items()})
    return plan.run(dict.fromkeys(keys), _options(**options))


def _options(
    *,
    priority: float = 0,
    retries: int | None = 0,
    resources: Mapping[str, float] | None = None,
    time_limit: Any = None,
    **harmless: Any,
) -> dict[str, Any]:
    for name in harmless:
        if name not in _HARMLESS:
            raise TypeError(f"there is no argument {name!r}")
    return {
        "priority": priority,
        "retries": retries or 0,
        "resources": dict(resources) if resources else None,
        "time_limit": None if time_limit is None else convert_interval(time_limit),
    }


#: Ignored arguments of Dask.
_HARMLESS = frozenset({
    "actors",
    "allow_other_workers",
    "cache",
    "callbacks",
    "chunksize",
    "direct",
    "fifo_timeout",
    "num_workers",
    "optimize_graph",
    "pool",
    "rerun_exceptions_locally",
    "workers",
})  # fmt: skip
