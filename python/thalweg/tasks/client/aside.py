"""Waits of asynchronous tasks, during which other tasks run in their place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from weakref import WeakKeyDictionary

from thalweg._thalweg.tasks import OutOfTheWay, current_token, is_worker

__all__ = ["LOOK", "MOMENT", "awaiting_others"]

#: Seconds that a task waits in its place: shorter waits are not worth another thread.
MOMENT = 0.001

#: Interval of checking for cancellation, Ctrl-C and free threads while waiting, in seconds: a signal that arrives just
#: before the interpreter goes to sleep does not wake it.
LOOK = 0.05


class _Place:
    """The place of a task, given away while something awaits others on the task's event loop."""

    def __init__(self) -> None:
        self._thread = get_ident()
        self._waits = 0
        self._given = OutOfTheWay()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waits += 1
        if self._waits == 1:
            self._timer = loop.call_later(MOMENT, self._give, loop)

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        self._given.give()
        # The system may not have had a thread.
        self._timer = loop.call_later(LOOK, self._give, loop)

    def end(self) -> None:
        self._waits -= 1
        # A coroutine that was left may be collected by another thread.
        if not self._waits and get_ident() == self._thread:
            if self._timer is not None:
                self._timer.cancel()
            self._given.__exit__()


_places: WeakKeyDictionary[asyncio.AbstractEventLoop, _Place] = WeakKeyDictionary()


@contextmanager
def awaiting_others() -> Iterator[None]:
    """In a task, let another one run in its place, while the block awaits what tasks do.

    Examples
    --------
    >>> from thalweg.tasks import Client, get_client
    >>> async def sum_to(n):
    ...     return n + await get_client().submit(sum_to, n - 1) if n else 0
    >>> with Client(n_workers=1) as client:
    ...     client.submit(sum_to, 3).result()
    6
    """
    # Tasks in worker processes have no tokens.
    if current_token() is None and not is_worker():
        yield
        return
    loop = asyncio.get_running_loop()
    place = _places.get(loop)
    if place is None:
        place = _places[loop] = _Place()
    place.begin(loop)
    try:
        yield
    finally:
        place.end()
