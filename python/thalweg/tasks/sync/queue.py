"""A queue shared by tasks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from thalweg.tasks.sync.coordinator import Asker, Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["Queue"]


class _Queue(State, kind="queue"):
    acknowledged = frozenset({"get", "get_many"})

    def __init__(self) -> None:
        self._maxsize = 0
        self._values: deque[Any] = deque()
        self._getting = Waiting()
        self._putting = Waiting()
        #: Values sent to a worker process that have not arrived there yet.
        self._sent: dict[Asker, list[Any]] = {}

    def limit(self, request: Request, maxsize: int) -> None:
        self._maxsize = maxsize or self._maxsize
        answer(request)

    def put(self, request: Request, value: Any) -> None:
        if self._is_full():
            self._putting.add(request)
        elif answer(request):
            self._values.append(value)
            self._serve()

    def get(self, request: Request) -> None:
        if len(self._getting) or not self._values:
            self._getting.add(request)
            self._serve()
        elif answer(request, self._values[0]):
            self._note(request, [self._values.popleft()])
            self._refill()

    def get_many(self, request: Request, count: int | None) -> None:
        if count is not None:
            self._getting.add(request)
            return self._serve()
        values: list[Any] = []
        while self._values:
            values.append(self._values.popleft())
            self._refill()
        if answer(request, values):
            self._note(request, values)
        else:
            self._put_back(values)
        return None

    def give_back(self, request: Request, value: Any, operation: str) -> None:
        self._put_back(value if operation == "get_many" else [value])
        answer(request)

    def serve(self, request: Request) -> None:
        self._serve()
        answer(request)

    def has_come(self, request: Request) -> None:
        if request.asker is not None:
            self._sent.pop(request.asker, None)
        answer(request)

    def lost(self, worker: int) -> None:
        for asker in [asker for asker in self._sent if asker.worker == worker]:
            self._put_back(self._sent.pop(asker))
        # Others may have waited behind its requests.
        self._serve()

    def qsize(self, request: Request) -> None:
        answer(request, len(self._values))

    def _serve(self) -> None:
        """Give values to waiting requests, in order, each as many as it wants."""
        while (request := self._getting.first()) is not None:
            self._refill()
            wanted = _wanted(request)
            if len(self._values) < wanted:
                return
            values = [self._values.popleft() for _ in range(wanted)]
            self._getting.discard(request)
            if answer(request, values if request.operation == "get_many" else values[0]):
                self._note(request, values)
            else:
                self._values.extendleft(reversed(values))
        self._refill()

    def _note(self, request: Request, values: list[Any]) -> None:
        if request.asker is not None:
            self._sent[request.asker] = values

    def _put_back(self, values: list[Any]) -> None:
        self._values.extendleft(reversed(values))
        self._serve()

    def _is_full(self) -> bool:
        """Whether there is no room. There always is for a request larger than the queue's capacity."""
        if not self._maxsize:
            return False
        first = self._getting.first()
        return len(self._values) >= max(self._maxsize, 0 if first is None else _wanted(first))

    def _refill(self) -> None:
        while not self._is_full():
            request = self._putting.pop()
            if request is None:
                return
            if answer(request):
                self._values.append(request.args[0])


def _wanted(request: Request) -> int:
    """Number of values that a request is for."""
    return request.args[0] if request.operation == "get_many" else 1


class Queue(Named):
    """A named queue, first in first out.

    In an asynchronous client's loop its methods return awaitables. A value sent to a task whose worker process died
    returns to the front.

    Parameters
    ----------
    name
        Its name; None for a new one.
    client
        The client it belongs to; None for the client of the task, or the default one.
    maxsize
        Capacity in values; 0 for no limit.

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
    _given_back = ("get", "get_many")

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
        """Put a value into the queue, waiting for room.

        Raises
        ------
        TimeoutError
            There was no room in time.
        """
        return self._ask("put", value, timeout=timeout)

    def get(self, timeout: Interval | None = None, batch: bool | int = False) -> Any:
        """Get the first value, waiting for one.

        Parameters
        ----------
        timeout
            Maximum time to wait.
        batch
            True: a list of all values, without waiting. A number: a list of that many, once they are there.

        Raises
        ------
        TimeoutError
            There were not enough values in time.
        """
        if batch is False:
            return self._ask("get", timeout=timeout)
        if batch is True:
            return self._ask("get_many", None)
        if batch < 1:
            raise ValueError(f"batch: at least 1, or True for all there are, not {batch}")
        try:
            answer = self._ask("get_many", batch, timeout=timeout)
        except BaseException:
            # Others may have waited behind it for fewer values.
            self._ask("serve", asynchronous=False)
            raise
        return self._several(answer) if hasattr(answer, "__await__") else answer

    async def _several(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except BaseException:
            self._connect().ask(self._kind, self.name, "serve")
            raise

    def qsize(self) -> Any:
        """Return the number of values."""
        return self._ask("qsize")
