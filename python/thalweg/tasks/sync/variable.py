"""A value that tasks share."""

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
    """A value with a name, which tasks and other code set and get.

    In an asynchronous client's loop what its methods return is to be awaited.

    Parameters
    ----------
    name
        Which one; None: a new one.
    client
        Whose; None: the client of the task, or the default one.

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
        """Let it have another value."""
        return self._ask("set", value, timeout=timeout)

    def get(self, timeout: Interval | None = None) -> Any:
        """Return its value, once it has one.

        Raises
        ------
        TimeoutError
            It had none in time.
        """
        return self._ask("get", timeout=timeout)

    def delete(self) -> Any:
        """Forget the value: until there is another one, `get` waits."""
        return self.close()
