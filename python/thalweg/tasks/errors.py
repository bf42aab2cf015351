"""Errors of tasks other than what their functions raise."""

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
    """A task ran longer than it was allowed to.

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
    """A task was to be stopped by force that runs in a thread.

    Threads can't be killed, worker processes can: ``Client(processes=True)``. The task has been cancelled: nobody
    waits for it any more, and its token tells it to end.

    Examples
    --------
    >>> from thalweg.tasks.errors import CannotStopError
    >>> issubclass(CannotStopError, RuntimeError)
    True
    """


class KilledWorker(RuntimeError):
    """The worker process died that ran the task.

    Attributes
    ----------
    key:
        The task's key.
    reason:
        How the process ended.
    count:
        How many processes have died under the task.

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
    """The client has been closed, and takes no more tasks.

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
    """A function, an argument or a result that can't be sent to another process.

    Attributes
    ----------
    task:
        The key of the task that raised it, if one did.

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
    """An exception of a worker process that can't be sent or read, in words; or a result that can't be read here.

    Attributes
    ----------
    task:
        The key of the task that raised it, if it is known.

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
