"""Methods that take other arguments in rapidz, or have other defaults, than in streamz and here."""

from __future__ import annotations

from typing import Any

from thalweg.stream import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from thalweg._types import Function

Call = tuple[tuple[Any, ...], dict[str, Any]]


def sliding_window(upstream: Any, n: int, **kwargs: Any) -> Call:
    """Windows are full.

    Examples
    --------
    >>> from thalweg.compat.rapidz.dialect import sliding_window
    >>> sliding_window("source", 2)
    (('source', 2), {'return_partial': False})
    """
    return (upstream, n), {"return_partial": False, **kwargs}


def unique(upstream: Any, history: int | None = None, key: Function = identity, **kwargs: Any) -> Call:
    """Keys need not be hashable, and are forgotten in the order in which they came.

    Examples
    --------
    >>> from thalweg.compat.rapidz.dialect import unique
    >>> unique("source", 3, len)[1]
    {'maxsize': 3, 'key': <built-in function len>, 'hashable': None, 'fifo': True}
    """
    return (upstream,), {"maxsize": history, "key": key, "hashable": None, "fifo": True, **kwargs}


def starmap(upstream: Any, func: Function, *args: Any, **kwargs: Any) -> Call:
    """On an engine, elements need not be sequences.

    Examples
    --------
    >>> from thalweg.compat.rapidz import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").starmap(pow, 2).gather().sink_to_list()
    >>> source.emit(3)
    >>> L
    [9]
    """
    from thalweg.parallel import ParallelStream

    if isinstance(upstream, ParallelStream):
        kwargs["_takes_any"] = True
    return (upstream, func, *args), kwargs


#: By the method's name: what its arguments are in our words.
DIALECT: dict[str, Callable[..., Call]] = {"sliding_window": sliding_window, "starmap": starmap, "unique": unique}
