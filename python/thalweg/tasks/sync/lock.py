"""A lock shared by tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.tasks.sync.coordinator import Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named, or_false

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["Lock"]


class _Lock(State, kind="lock"):
    def __init__(self) -> None:
        #: The request that was granted.
        self._holder: Request | None = None
        self._waiting = Waiting()

    def acquire(self, request: Request, blocking: bool = True) -> None:
        if self._holder is None:
            if answer(request, True):
                self._holder = request
        elif blocking:
            self._waiting.add(request)
        else:
            answer(request, False)

    def give_back(self, request: Request, acquired: bool, _: str) -> None:
        if acquired:
            self.release(request)

    def release(self, request: Request) -> None:
        if self._holder is None:
            raise RuntimeError("release: the lock is not held")
        self._pass_on()
        answer(request)

    def _pass_on(self) -> None:
        self._holder = self._waiting.answer_first(True)

    def lost(self, worker: int) -> None:
        if self._holder is not None and self._holder.worker == worker:
            self._pass_on()

    def locked(self, request: Request) -> None:
        answer(request, self._holder is not None)


class Lock(Named):
    """A named lock, granted in the order of the requests.

    Use it with ``with`` or ``async with``. In an asynchronous client's loop its methods return awaitables. When a
    worker process dies, or is killed for a time limit, the locks that its tasks hold are released.

    Parameters
    ----------
    name
        Its name; None for a new one.
    client
        The client it belongs to; None for the client of the task, or the default one.

    Examples
    --------
    >>> from thalweg.tasks import Client, Lock
    >>> def add(x):
    ...     with Lock("total"):
    ...         total[0] += x
    >>> total = [0]
    >>> with Client() as client:
    ...     client.gather(client.map(add, [1, 2, 3]))
    [None, None, None]
    >>> total
    [6]
    """

    _kind = "lock"
    _given_back = ("acquire",)

    def __init__(
        self,
        name: str | None = None,
        client: Client | None = None,
        scheduler_rpc: object = None,
        loop: object = None,
    ) -> None:
        super().__init__(name, client)

    def acquire(self, blocking: bool = True, timeout: Interval | None = None) -> Any:
        """Acquire the lock, and return whether that succeeded.

        Parameters
        ----------
        blocking
            Whether to wait for it.
        timeout
            Maximum time to wait.

        Raises
        ------
        ValueError
            A timeout is given together with ``blocking=False``.
        """
        if timeout is not None and not blocking:
            raise ValueError("acquire: a timeout is for those who wait, and `blocking` is false")
        try:
            answer = self._ask("acquire", blocking, timeout=timeout)
        except TimeoutError:
            return False
        return answer if isinstance(answer, bool) or blocking is False else or_false(answer)

    def release(self) -> Any:
        """Release the lock.

        Raises
        ------
        RuntimeError
            Nobody has it.
        """
        return self._ask("release")

    def locked(self) -> Any:
        """Whether somebody holds it."""
        return self._ask("locked")

    def __enter__(self) -> Self:
        self._ask("acquire", asynchronous=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ask("release", asynchronous=False)

    async def __aenter__(self) -> Self:
        await self._ask("acquire", asynchronous=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._ask("release", asynchronous=True)
