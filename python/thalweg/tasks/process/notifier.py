"""Callbacks in a worker process for the ends of other processes' tasks."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from thalweg.tasks.process import requests

if TYPE_CHECKING:
    from weakref import ref

    from thalweg.tasks.process.engine_proxy import EngineProxy

__all__ = ["Notification", "Notifier"]

#: Number of watched futures from which on those that nobody waits for any more are looked for.
_MANY = 16


class Notification(NamedTuple):
    """A call for the end of a task, as long as all of these objects exist."""

    call: Callable[[], object]
    future: ref[Any] | None = None
    interest: ref[Any] | None = None

    def is_wanted(self) -> bool:
        """Whether they do."""
        return all(each is None or each() is not None for each in (self.future, self.interest))


class Notifier:
    """Makes calls when tasks end. One thread waits for all of them, as long as there are any.

    Examples
    --------
    >>> from thalweg.tasks import Client, as_completed, get_client
    >>> def total():
    ...     futures = get_client().map(abs, [-1, -2])
    ...     return sum(future.result() for future in as_completed(futures))
    >>> with Client(processes=True, n_workers=1) as client:
    ...     client.submit(total).result()
    3
    """

    def __init__(self, engine: EngineProxy) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._calls: dict[int, list[Notification]] = {}
        self._look_at = _MANY
        self._has_thread = False

    def add(self, place: int, notification: Notification) -> None:
        """Make a call when the task of the future at this place has ended."""
        with self._lock:
            self._forget_unwanted(place)
            is_watched = place in self._calls
            self._calls.setdefault(place, []).append(notification)
            starts, self._has_thread = not self._has_thread, True
        if not is_watched:
            self._engine.ask(requests.Watch(place))
        if starts:
            threading.Thread(target=self._run, daemon=True).start()

    def _forget_unwanted(self, place: int) -> None:
        if (calls := self._calls.get(place)) is not None:
            calls[:] = [each for each in calls if each.is_wanted()]
        if len(self._calls) > self._look_at:
            self._calls = {
                place: calls for place, calls in self._calls.items() if any(each.is_wanted() for each in calls)
            }
            self._look_at = max(_MANY, 2 * len(self._calls))

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._calls:
                        self._has_thread = False
                        return
                ended: list[int] = self._engine.ask(requests.Ended())
                for place in ended:
                    self._call(place)
        except BaseException:
            with self._lock:
                self._has_thread = False
            raise

    def _call(self, place: int) -> None:
        with self._lock:
            notifications = self._calls.pop(place, [])
        for notification in notifications:
            try:
                if notification.is_wanted():
                    notification.call()
            except Exception:
                traceback.print_exc()
