"""Futures in lists, tuples, sets and dictionaries, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from thalweg._thalweg.tasks import Future

#: What is a future; in a worker process there is another kind of it.
KINDS: set[type] = {Future}

_SEQUENCES = (list, tuple, set, frozenset)

#: Stands for a value that is to be left out.
skipped = object()


def futures_of(value: Any) -> list[Future[Any]]:
    """Return the futures in a value: a future, a collection of Dask's that was persisted, or what holds such.

    Examples
    --------
    >>> from thalweg.tasks import Client, futures_of
    >>> with Client() as client:
    ...     future = client.submit(abs, -1)
    ...     futures_of({"a": [future, 1]}) == [future]
    True
    """
    return list(_walk(value, True))


def to_replace(value: Any) -> list[Future[Any]]:
    """Return the futures that `replace` would replace, in that order.

    Examples
    --------
    >>> from thalweg.tasks.nesting import to_replace
    >>> to_replace([1])
    []
    """
    return list(_walk(value, False))


def _walk(value: Any, collections: bool) -> Iterator[Future[Any]]:
    kind = type(value)
    if kind in KINDS:
        yield value
    elif kind in _SEQUENCES:
        for each in value:
            yield from _walk(each, collections)
    elif kind is dict:
        for each in value.values():
            yield from _walk(each, collections)
    elif collections and hasattr(kind, "__dask_graph__"):
        from thalweg.tasks.collections import futures_in

        yield from futures_in(value)


def replace(value: Any, by: Callable[[Future[Any]], Any]) -> Any:
    """Return a value with something in the place of each future; what becomes `skipped` leaves lists, and is None
    elsewhere.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.nesting import replace
    >>> with Client() as client:
    ...     replace({"a": [client.submit(abs, -1), 1]}, lambda future: future.result())
    {'a': [1, 1]}
    """
    replaced = _replace(value, by)
    return None if replaced is skipped else replaced


def _replace(value: Any, by: Callable[[Future[Any]], Any]) -> Any:
    kind = type(value)
    if kind in KINDS:
        return by(value)
    if kind is list:
        return [each for each in (_replace(each, by) for each in value) if each is not skipped]
    if kind in _SEQUENCES:
        return kind(replace(each, by) for each in value)
    if kind is dict:
        return {key: replace(each, by) for key, each in value.items()}
    return value


def only_futures(values: Any) -> bool:
    """Whether it is a list of futures and nothing else.

    Examples
    --------
    >>> from thalweg.tasks.nesting import only_futures
    >>> only_futures([1])
    False
    """
    return type(values) is list and len(kinds := set(map(type, values))) == 1 and kinds <= KINDS


def flat(futures: Any) -> list[Future[Any]]:
    """Return the futures that were meant: one, an iterable of them, or what holds them."""
    if isinstance(futures, Iterable) and not isinstance(futures, (*KINDS, list, tuple, set, frozenset, dict)):
        if hasattr(type(futures), "__dask_graph__"):
            return futures_of(futures)
        futures = list(futures)
    return futures_of(futures)
