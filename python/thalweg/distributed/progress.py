"""A bar that grows as tasks end."""

from __future__ import annotations

import sys
from typing import Any

from thalweg.tasks.client import tree
from thalweg.tasks.client.completion import as_completed

__all__ = ["progress"]

_WIDTH = 40


def progress(*futures: Any, **kwargs: Any) -> None:
    """Show a bar that grows as futures end, and return when all have.

    Parameters
    ----------
    *futures
        Futures, or what holds some.
    **kwargs
        What Dask's takes besides; there is one kind of bar.

    Examples
    --------
    >>> from thalweg.distributed import Client, progress
    >>> with Client() as client:
    ...     progress(client.map(abs, [-1, -2]))
    [########################################] 2 of 2
    """
    flat = tree.flat(futures)
    ended = 0
    for batch in as_completed(flat).batches():
        ended += len(batch)
        if sys.stdout.isatty():
            _draw(ended, len(flat), "\r")
    _draw(ended, len(flat), "\r" if sys.stdout.isatty() else "")
    sys.stdout.write("\n")


def _draw(ended: int, count: int, before: str) -> None:
    filled = _WIDTH * ended // count if count else _WIDTH
    sys.stdout.write(f"{before}[{'#' * filled:<{_WIDTH}}] {ended} of {count}")
    sys.stdout.flush()
