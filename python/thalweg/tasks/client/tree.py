"""Futures in lists, tuples, sets and dictionaries, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from thalweg._thalweg.tasks import Future
from thalweg._thalweg.tasks import replace as _replace
from thalweg._thalweg.tasks import search as _search

#: Types of futures; worker processes have another one.
KINDS: set[type] = {Future}

#: Types of nodes in Dask's graphs that hold a future.
HOLDERS: set[type] = set()

#: Types that are visited, subclasses of the first three included.
_SEQUENCES = (list, tuple, dict, set, frozenset)

#: Marks a value to leave out.
skipped: object = object()


def futures_of(value: Any) -> list[Future[Any]]:
    """Return the futures in a value: a future, a persisted Dask collection, or a container of them.

    Examples
    --------
    >>> from thalweg.tasks import Client, futures_of
    >>> with Client() as client:
    ...     future = client.submit(abs, -1)
    ...     futures_of({"a": [future, 1]}) == [future]
    True
    """
    return _search(value, KINDS, _persisted)


def to_replace(value: Any) -> list[Future[Any]]:
    """Return the futures that `replace` would replace, in that order.

    Examples
    --------
    >>> from thalweg.tasks.client.tree import to_replace
    >>> to_replace([1])
    []
    """
    return _search(value, KINDS)


def _persisted(value: Any) -> list[Future[Any]]:
    """The futures of a persisted Dask collection."""
    if not hasattr(type(value), "__dask_graph__"):
        return []
    graph = value.__dask_graph__()
    return [] if graph is None else [node.future for node in graph.values() if type(node) in HOLDERS]


def replace(value: Any, by: Callable[[Any], Any], kinds: Collection[type] = KINDS) -> Any:
    """Return a value with each future, or other objects of some `kinds`, replaced.

    Replacements that are `skipped` are dropped from lists, and are None elsewhere. Containers of a subclass keep their
    class.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.tree import replace
    >>> with Client() as client:
    ...     replace({"a": [client.submit(abs, -1), 1]}, lambda future: future.result())
    {'a': [1, 1]}
    """
    return _replace(value, by, kinds, skipped)


def checked(futures: Iterable[Any], function: str) -> list[Future[Any]]:
    """Return the futures in a function's arguments, at any depth; refuse arguments without futures.

    Those of a dictionary may be its keys or its values.

    Raises
    ------
    TypeError
        An argument is not a future.

    Examples
    --------
    >>> from thalweg.tasks.client.tree import checked
    >>> checked([1], "as_completed")
    Traceback (most recent call last):
    TypeError: as_completed: a future is needed, not 1
    """
    if type(futures) in KINDS:
        return futures_of(futures)
    if isinstance(futures, dict) and (found := _of_dictionary(futures)):
        return found
    found = []
    for each in futures:
        # Those of actors are no arguments of tasks.
        inner = [each] if hasattr(each, "_notify_holder") else futures_of(each)
        if not inner and not isinstance(each, (*_SEQUENCES, Iterator)) and not hasattr(type(each), "__dask_graph__"):
            raise TypeError(f"{function}: a future is needed, not {each!r}")
        found += inner
    return found


def _of_dictionary(futures: dict[Any, Any]) -> list[Future[Any]]:
    return [key for key in futures if type(key) in KINDS] + futures_of(futures)


def only_futures(values: Any) -> bool:
    """Whether it is a list of futures and nothing else.

    Examples
    --------
    >>> from thalweg.tasks.client.tree import only_futures
    >>> only_futures([1])
    False
    """
    return type(values) is list and len(kinds := set(map(type, values))) == 1 and kinds <= KINDS


def flat(futures: Any) -> list[Future[Any]]:
    """Return the futures in an argument: one, an iterable of them, or a container. Those of a dictionary may be its
    keys or its values.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.tree import flat
    >>> with Client() as client:
    ...     future = client.submit(abs, -1)
    ...     flat({future: "a name"}) == flat({"a name": future}) == [future]
    True
    """
    if isinstance(futures, dict):
        return _of_dictionary(futures)
    if isinstance(futures, Iterable) and not isinstance(futures, (*KINDS, list, tuple, set, frozenset, dict)):
        if hasattr(type(futures), "__dask_graph__"):
            return futures_of(futures)
        futures = list(futures)
    return futures_of(futures)
