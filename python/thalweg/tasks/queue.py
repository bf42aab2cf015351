"""A queue that tasks share."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from thalweg.tasks.coordinator import Asker, Request, State, Waiting, answer
from thalweg.tasks.named import Named

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client import Client

__all__ = ["Queue"]


class _Queue(State, kind="queue"):
    acknowledged = frozenset({"get", "get_many"})

    def __init__(self) -> None:
        self._maxsize = 0
        self._values: deque[Any] = deque()
        self._getting = Waiting()
        self._putting = Waiting()
        #: Values on their way to a worker process, which have not come there yet.
        self._sent: dict[Asker, list[Any]] = {}

    def limit(self, request: Request, maxsize: int) -> None:
        self._maxsize = maxsize or self._maxsize
        answer(request)

    def put(self, request: Request, value: Any) -> None:
        if self._maxsize and len(self._values) >= self._maxsize:
            self._putting.add(request)
        elif answer(request) and not self._hand_on(value):
            self._values.append(value)

    def get(self, request: Request) -> None:
        if not self._values:
            self._getting.add(request)
        elif answer(request, self._values[0]):
            self._note(request, [self._values.popleft()])
            self._refill()

    def get_many(self, request: Request, count: int | None) -> None:
        if count is not None and count > len(self._values) + len(self._putting):
            raise ValueError(f"batch: there are not {count} values in the queue")
        values: list[Any] = []
        while self._values and (count is None or len(values) < count):
            values.append(self._values.popleft())
            self._refill()
        if answer(request, values):
            self._note(request, values)
        else:
            self._put_back(values)

    def give_back(self, request: Request, value: Any) -> None:
        self._put_back([value])
        answer(request)

    def has_come(self, request: Request) -> None:
        if request.asker is not None:
            self._sent.pop(request.asker, None)
        answer(request)

    def lost(self, worker: int) -> None:
        for asker in [asker for asker in self._sent if asker.worker == worker]:
            self._put_back(self._sent.pop(asker))

    def qsize(self, request: Request) -> None:
        answer(request, len(self._values))

    def _hand_on(self, value: Any) -> bool:
        """Give a value to the first that waits for one; False if none does."""
        request = self._getting.answer_first(value)
        if request is None:
            return False
        self._note(request, [value])
        return True

    def _note(self, request: Request, values: list[Any]) -> None:
        if request.asker is not None:
            self._sent[request.asker] = values

    def _put_back(self, values: list[Any]) -> None:
        while values and self._hand_on(values[0]):
            values = values[1:]
        self._values.extendleft(reversed(values))

    def _refill(self) -> None:
        while not (self._maxsize and len(self._values) >= self._maxsize):
            request = self._putting.pop()
            if request is None:
                return
            if answer(request):
                self._values.append(request.args[0])


class Queue(Named):
    """A queue with a name: what one task puts into it, another one gets, first in first out.

    In an asynchronous client's loop what its methods return is to be awaited. A value that was on its way to a task
    whose worker process died goes back to the front.

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
