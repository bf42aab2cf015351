"""A value shared by tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.tasks.sync.coordinator import Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named

if TYPE_CHECKING:
    from thalweg._types import Interval

__all__ = ["Variable"]

_nothing = object()


class _Variable(State, kind="variable"):
    def __init__(self) -> None:
        self._value: Any = _nothing
        self._waiting = Waiting()

    def set(self, request: Request, value: Any) -> None:
        self._value = value
        self._waiting.answer_all(value)
        answer(request)

    def get(self, request: Request) -> None:
        if self._value is _nothing:
            self._waiting.add(request)
        else:
            answer(request, self._value)


class Variable(Named):
    """A named value, which tasks and other code set and get.

    In an asynchronous client's loop its methods return awaitables.

    Parameters
    ----------
    name
        Its name; None for a new one.
    client
        The client it belongs to; None for the client of the task, or the default one.

    Examples
    --------
    >>> from thalweg.tasks import Client, Variable
    >>> with Client() as client:
    ...     Variable("best").set(1)
    ...     client.submit(lambda: Variable("best").get()).result()
    1
    """

    _kind = "variable"

    def set(self, value: Any, timeout: Interval | None = None) -> Any:
        """Set the value."""
        return self._ask("set", value, timeout=timeout)

    def get(self, timeout: Interval | None = None) -> Any:
        """Return the value, waiting for one.

        Raises
        ------
        TimeoutError
            There was none in time.
        """
        return self._ask("get", timeout=timeout)

    def delete(self) -> Any:
        """Delete the value: `get` waits until there is another."""
        return self.close()
