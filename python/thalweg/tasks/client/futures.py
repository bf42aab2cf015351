"""Functions of several futures."""

from __future__ import annotations

from typing import Any

from thalweg._thalweg.tasks import Future
from thalweg.tasks.client import tree
from thalweg.tasks.client.completion import as_completed
from thalweg.tasks.client.tree import futures_of
from thalweg.tasks.client.waiting import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, DoneAndNotDone, wait

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "DoneAndNotDone",
    "Future",
    "as_completed",
    "fire_and_forget",
    "futures_of",
    "wait",
]


def fire_and_forget(obj: Any) -> None:
    """Let tasks run to their end, even if their futures are not referenced.

    Closing the client waits for them, see :meth:`Client.close`, and the end of the program, until Ctrl-C.

    Parameters
    ----------
    obj
        Futures, or containers of them.

    Raises
    ------
    TypeError
        There is no future in it.

    Examples
    --------
    >>> from threading import Event
    >>> from thalweg.tasks import Client, fire_and_forget
    >>> done = Event()
    >>> with Client() as client:
    ...     fire_and_forget(client.submit(done.set))
    ...     done.wait(60)
    True
    """
    futures = tree.flat(obj)
    if not futures and not isinstance(obj, (list, tuple, set, frozenset, dict)):
        raise TypeError(f"fire_and_forget: a future, and not {obj!r}")
    detach(futures)


def detach(futures: list[Any]) -> None:
    """Let tasks run to their ends, which closing their client waits for; from a worker process in one request."""
    elsewhere: list[Any] = []
    for future in futures:
        if isinstance(future, Future):
            future.detach()
        else:
            elsewhere.append(future)
    if elsewhere:
        elsewhere[0].engine.detach(elsewhere)
