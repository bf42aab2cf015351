"""An event shared by tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.tasks.sync.coordinator import Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named, or_false

if TYPE_CHECKING:
    from thalweg._types import Interval

__all__ = ["Event"]


class _Event(State, kind="event"):
    def __init__(self) -> None:
        self._is_set = False
        self._waiting = Waiting()

    def wait(self, request: Request) -> None:
        if self._is_set:
            answer(request)
        else:
            self._waiting.add(request)

    def set(self, request: Request) -> None:
        self._is_set = True
        self._waiting.answer_all()
        answer(request)

    def clear(self, request: Request) -> None:
        self._is_set = False
        answer(request)

    def is_set(self, request: Request) -> None:
        answer(request, self._is_set)


class Event(Named):
    """A named event that tasks and other code wait for.

    In an asynchronous client's loop its methods return awaitables.

    Parameters
    ----------
    name
        Its name; None for a new one.
    client
        The client it belongs to; None for the client of the task, or the default one.

    Examples
    --------
    >>> from thalweg.tasks import Client, Event
    >>> with Client() as client:
    ...     ready = Event("ready")
    ...     future = client.submit(lambda: Event("ready").wait())
    ...     ready.set()
    ...     future.result()
    True
    """

    _kind = "event"

    def wait(self, timeout: Interval | None = None) -> Any:
        """Wait until it is set, and return whether it was, within the timeout.

        Examples
        --------
        >>> from thalweg.tasks import Client, Event
        >>> with Client() as client:
        ...     Event("never").wait(timeout="10ms")
        False
        """
        try:
            answer = self._ask("wait", timeout=timeout)
        except TimeoutError:
            return False
        return True if answer is None else or_false(answer)

    def set(self) -> Any:
        """Set it: wake all that wait, and let later ones pass."""
        return self._ask("set")

    def clear(self) -> Any:
        """Clear it: later ones wait again."""
        return self._ask("clear")

    def is_set(self) -> Any:
        """Whether it is set."""
        return self._ask("is_set")
