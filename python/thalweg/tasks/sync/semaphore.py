"""A semaphore shared by tasks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from thalweg.tasks.sync.coordinator import Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named, or_false

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["Semaphore"]


class _Semaphore(State, kind="semaphore"):
    def __init__(self) -> None:
        self._max_leases: int | None = None
        #: Number of leases by worker process; None is this process.
        self._taken: Counter[int | None] = Counter()
        self._waiting = Waiting()

    def limit(self, request: Request, max_leases: int) -> None:
        if self._max_leases is not None and self._max_leases != max_leases:
            raise ValueError(f"max_leases: the semaphore of that name has {self._max_leases}, not {max_leases}")
        self._max_leases = max_leases
        answer(request)

    def acquire(self, request: Request, max_leases: int) -> None:
        # One that was closed in between starts anew.
        if self._max_leases is None:
            self._max_leases = max_leases
        if self._taken.total() >= self._max_leases:
            self._waiting.add(request)
        elif answer(request, True):
            self._taken[request.worker] += 1

    def give_back(self, request: Request, acquired: bool, _: str) -> None:
        if acquired:
            self.release(request)

    def release(self, request: Request) -> None:
        if not self._taken.total():
            raise RuntimeError("release: no lease is taken")
        # It may be released by another process than the one that has it.
        worker = request.worker if self._taken[request.worker] else next(iter(+self._taken))
        self._free(worker)
        answer(request, True)

    def _free(self, worker: int | None) -> None:
        self._taken[worker] -= 1
        self._taken = +self._taken
        granted = self._waiting.answer_first(True)
        if granted is not None:
            self._taken[granted.worker] += 1

    def lost(self, worker: int) -> None:
        for _ in range(self._taken[worker]):
            self._free(worker)

    def get_value(self, request: Request) -> None:
        answer(request, self._taken.total())


class Semaphore(Named):
    """A named semaphore, granted in the order of the requests.

    Use it with ``with`` or ``async with``. In an asynchronous client's loop its methods return awaitables. When a
    worker process dies, is killed, or has not answered for the client's `worker_ttl`, the leases of its tasks are
    released.

    Parameters
    ----------
    max_leases
        Number of leases.
    name
        Its name; None for a new one.
    client
        The client it belongs to; None for the client of the task, or the default one.

    Raises
    ------
    ValueError
        There is one of that name with another limit, or the limit is less than one.

    Examples
    --------
    >>> from thalweg.tasks import Client, Semaphore
    >>> with Client() as client:
    ...     semaphore = Semaphore(2, "connections")
    ...     semaphore.acquire(), semaphore.acquire(), semaphore.acquire(timeout=0)
    (True, True, False)
    """

    _kind = "semaphore"
    _given_back = ("acquire",)

    def __init__(
        self,
        max_leases: int = 1,
        name: str | None = None,
        client: Client | None = None,
        scheduler_rpc: object = None,
        loop: object = None,
    ) -> None:
        if isinstance(max_leases, bool) or not isinstance(max_leases, int) or max_leases < 1:
            raise ValueError(f"max_leases: how many have it at a time, not {max_leases!r}")
        super().__init__(name, client)
        self.max_leases = max_leases
        self._ask("limit", max_leases, asynchronous=False)

    def __reduce__(self) -> Any:
        return type(self), (self.max_leases, self.name)

    def acquire(self, timeout: Interval | None = None) -> Any:
        """Acquire a lease, and return whether that succeeded in time."""
        try:
            answer = self._ask("acquire", self.max_leases, timeout=timeout)
        except TimeoutError:
            return False
        return answer if answer is True else or_false(answer)

    def release(self) -> Any:
        """Release a lease, and return True.

        Raises
        ------
        RuntimeError
            None is taken.
        """
        return self._ask("release")

    def get_value(self) -> Any:
        """Return the number of leases taken."""
        return self._ask("get_value")

    def __enter__(self) -> Self:
        self._ask("acquire", self.max_leases, asynchronous=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ask("release", asynchronous=False)

    async def __aenter__(self) -> Self:
        await self._ask("acquire", self.max_leases, asynchronous=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._ask("release", asynchronous=True)
