"""A queue that tasks share."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from thalweg.tasks.coordinator import Answer, State, answer, answer_first
from thalweg.tasks.named import Named

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client import Client

__all__ = ["Queue"]


class _Queue(State, kind="queue"):
    def __init__(self) -> None:
        self._maxsize = 0
        self._values: deque[Any] = deque()
        self._getting: deque[Answer[Any]] = deque()
        self._putting: deque[tuple[Answer[Any], Any]] = deque()

    def limit(self, request: Answer[Any], maxsize: int) -> None:
        self._maxsize = maxsize or self._maxsize
        answer(request)

    def put(self, request: Answer[Any], value: Any) -> None:
        if self._maxsize and len(self._values) >= self._maxsize:
            self._putting.append((request, value))
        elif answer(request) and not answer_first(self._getting, value):
            self._values.append(value)

    def get(self, request: Answer[Any]) -> None:
        if not self._values:
            self._getting.append(request)
        elif answer(request, self._values[0]):
            self._values.popleft()
            self._refill()

    def get_many(self, request: Answer[Any], count: int | None) -> None:
        if count is not None and count > len(self._values) + len(self._putting):
            raise ValueError(f"batch: there are not {count} values in the queue")
        values: list[Any] = []
        while self._values and (count is None or len(values) < count):
            values.append(self._values.popleft())
            self._refill()
        answer(request, values)

    def give_back(self, request: Answer[Any], value: Any) -> None:
        if not answer_first(self._getting, value):
            self._values.appendleft(value)
        answer(request)

    def qsize(self, request: Answer[Any]) -> None:
        answer(request, len(self._values))

    def _refill(self) -> None:
        while self._putting and not (self._maxsize and len(self._values) >= self._maxsize):
            request, value = self._putting.popleft()
            if answer(request):
                self._values.append(value)


class Queue(Named):
    """A queue with a name: what one task puts into it, another one gets, first in first out.

    In an asynchronous client's loop what its methods return is to be awaited.

    Parameters
    ----------
    name
        Which queue; None: a new one.
    client
        Whose queue; None: the client of the task, or the default one.
    maxsize
        How many values it holds before whoever puts another one has to wait; 0: any number.

    Examples
    --------
    >>> from thalweg.tasks import Client, Queue
    >>> with Client() as client:
    ...     queue = Queue("found")
    ...     future = client.submit(lambda: Queue("found").put(1))
    ...     queue.get()
    1
    """

    _kind = "queue"
    _given_back = ("get",)

    def __init__(self, name: str | None = None, client: Client | None = None, maxsize: int = 0) -> None:
        if isinstance(maxsize, bool) or not isinstance(maxsize, int) or maxsize < 0:
            raise ValueError(f"maxsize: how many values it holds, not {maxsize!r}")
        super().__init__(name, client)
        self.maxsize = maxsize
        if maxsize:
            self._ask("limit", maxsize, asynchronous=False)

    def __reduce__(self) -> Any:
        return type(self), (self.name, None, self.maxsize)

    def put(self, value: Any, timeout: Interval | None = None) -> Any:
        """Put a value into the queue, once there is room.

        Raises
        ------
        TimeoutError
            There was no room in time.
        """
        return self._ask("put", value, timeout=timeout)

    def get(self, timeout: Interval | None = None, batch: bool | int = False) -> Any:
        """Get the first value, once there is one.

        Parameters
        ----------
        timeout
            How long to wait at most.
        batch
            True: a list of all values there are, without waiting. A number: a list of so many.

        Raises
        ------
        TimeoutError
            There was no value in time.
        """
        if batch is False:
            return self._ask("get", timeout=timeout)
        return self._ask("get_many", None if batch is True else batch)

    def qsize(self) -> Any:
        """Return how many values there are."""
        return self._ask("qsize")
