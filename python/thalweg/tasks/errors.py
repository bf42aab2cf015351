"""Errors of tasks other than exceptions of their functions."""

from __future__ import annotations

from concurrent.futures import CancelledError

__all__ = [
    "CancelledError",
    "CannotStopError",
    "ClosedClientError",
    "KilledWorker",
    "RemoteError",
    "TaskTimeout",
    "TimeoutError",
    "UnpicklableError",
]

TimeoutError = TimeoutError


class TaskTimeout(TimeoutError):
    """A task exceeded its time limit.

    Examples
    --------
    >>> from thalweg.tasks.errors import TaskTimeout
    >>> issubclass(TaskTimeout, TimeoutError)
    True
    >>> print(TaskTimeout("load", 5.0))
    the task 'load' ran for longer than 5 s
    """

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(key, seconds)
        self.key = key
        self.seconds = seconds

    def __str__(self) -> str:
        return f"the task {self.key!r} ran for longer than {self.seconds:g} s"


class CannotStopError(RuntimeError):
    """A task on a thread cannot be killed.

    Worker processes can: ``Client(processes=True)``. The task has been cancelled: nobody waits for it any more, and its
    token asks it to end.

    Examples
    --------
    >>> from thalweg.tasks.errors import CannotStopError
    >>> issubclass(CannotStopError, RuntimeError)
    True
    """


class KilledWorker(RuntimeError):
    """The worker process that ran the task died.

    Attributes
    ----------
    key:
        The task's key.
    reason:
        How the process ended.
    count:
        How many processes have died while running the task.

    Examples
    --------
    >>> from thalweg.tasks.errors import KilledWorker
    >>> KilledWorker("load-1", "signal 9", 3).count
    3
    """

    def __init__(self, key: str, reason: str, count: int) -> None:
        super().__init__(key, reason, count)
        self.key = key
        self.reason = reason
        self.count = count

    def __str__(self) -> str:
        died = "a worker" if self.count == 1 else f"{self.count} workers"
        return f"{died} died while running the task {self.key!r}: {self.reason}"


class ClosedClientError(RuntimeError):
    """The client has been closed, and accepts no tasks.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.errors import ClosedClientError
    >>> client = Client()
    >>> client.close()
    >>> try:
    ...     client.submit(abs, -1)
    ... except ClosedClientError:
    ...     print("closed")
    closed
    """


class UnpicklableError(TypeError):
    """A function, an argument or a result cannot be pickled.

    Attributes
    ----------
    task:
        The key of the task, if there is one.

    Examples
    --------
    >>> from thalweg.tasks.errors import UnpicklableError
    >>> issubclass(UnpicklableError, TypeError)
    True
    """

    task: str | None = None

    def __str__(self) -> str:
        return _of_task(self.task, super().__str__())


class RemoteError(RuntimeError):
    """The description of a worker process's exception that cannot be pickled, or of a result that cannot be unpickled.

    Attributes
    ----------
    task:
        The key of the task, if it is known.

    Examples
    --------
    >>> from thalweg.tasks.errors import RemoteError
    >>> error = RemoteError("Locked: by somebody else")
    >>> error.task = "load"
    >>> print(error)
    the task 'load': Locked: by somebody else
    """

    task: str | None = None

    def __str__(self) -> str:
        return _of_task(self.task, super().__str__())


def _of_task(task: str | None, text: str) -> str:
    return text if task is None else f"the task {task!r}: {text}"
