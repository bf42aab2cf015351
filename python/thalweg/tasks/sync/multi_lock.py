"""A lock on several names at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from thalweg.tasks.sync.coordinator import Request, State, Waiting, answer
from thalweg.tasks.sync.named import Named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["MultiLock"]


class _Locks(State, kind="multi_lock"):
    """All names that can be locked together. A name goes to the request that has waited longest for it."""

    def __init__(self) -> None:
        #: By owner: the names it holds, and the request that was granted.
        self._held: dict[str, tuple[set[str], Request]] = {}
        self._waiting = Waiting()

    def acquire(self, request: Request, owner: str, names: Sequence[str], count: int) -> None:
        if owner in self._held:
            raise RuntimeError("acquire: the lock is held already")
        self._waiting.add(request)
        self._serve()

    def release(self, request: Request, owner: str) -> None:
        if self._held.pop(owner, None) is None:
            raise RuntimeError("release: the lock is not held")
        self._serve()
        answer(request)

    def give_back(self, request: Request, owner: str, _: str) -> None:
        self._held.pop(owner, None)
        self.serve(request)

    def serve(self, request: Request) -> None:
        self._serve()
        answer(request)

    def lost(self, worker: int) -> None:
        self._held = {owner: held for owner, held in self._held.items() if held[1].worker != worker}
        self._serve()

    def locked(self, request: Request, owner: str) -> None:
        answer(request, owner in self._held)

    def _serve(self) -> None:
        taken = {name for names, _ in self._held.values() for name in names}
        for request in self._waiting.all():
            owner, names, count = request.args
            free = [name for name in names if name not in taken][:count]
            if len(free) < count:
                # Later requests do not overtake it.
                taken.update(names)
            elif answer(request, owner):
                self._held[owner] = (set(free), request)
                taken.update(free)


class MultiLock(Named):
    """A lock on several names: its holder has all of them, and nobody else has one of them meanwhile.

    Use it with ``with`` or ``async with``. In an asynchronous client's loop its methods return awaitables. When a
    worker process dies, or is killed for a time limit, the names that its tasks hold are released.

    Parameters
    ----------
    names
        The names.
    client
        The client they belong to; None for the client of the task, or the default one.

    Examples
    --------
    >>> from thalweg.tasks import Client, MultiLock
    >>> with Client() as client:
    ...     both, one = MultiLock(["a", "b"]), MultiLock(["b"])
    ...     both.acquire(), one.acquire(timeout=0)
    (True, False)
    """

    _kind = "multi_lock"
    _given_back = ("acquire",)

    def __init__(self, names: Iterable[str] | None = None, client: Client | None = None) -> None:
        # One state, since a grant depends on all requests for its names.
        super().__init__("all", client)
        self.names: list[str] = list(dict.fromkeys(names or ()))
        self._owner = uuid4().hex

    def __reduce__(self) -> Any:
        return type(self), (self.names,)

    def acquire(self, blocking: bool = True, timeout: Interval | None = None, num_locks: int | None = None) -> Any:
        """Acquire the lock, and return whether that succeeded.

        Parameters
        ----------
        blocking
            Whether to wait for it.
        timeout
            Maximum time to wait.
        num_locks
            How many of the names are enough; None for all.

        Raises
        ------
        ValueError
            A timeout is given together with ``blocking=False``, or there are fewer names.
        RuntimeError
            It is held already.
        """
        if timeout is not None and not blocking:
            raise ValueError("acquire: a timeout is for those who wait, and `blocking` is false")
        count = len(self.names) if num_locks is None else num_locks
        if not 0 <= count <= len(self.names):
            raise ValueError(f"num_locks: {count}, where there are {len(self.names)} names")
        asked = [self._owner, self.names, count]
        try:
            answer = self._ask("acquire", *asked, timeout=timeout if blocking else 0)
        except TimeoutError:
            # Others may have waited only for this one.
            self._ask("serve")
            return False
        return self._granted(answer) if hasattr(answer, "__await__") else True

    async def _granted(self, answer: Awaitable[Any]) -> bool:
        try:
            await answer
        except TimeoutError:
            await self._ask("serve", asynchronous=True)
            return False
        return True

    def release(self) -> Any:
        """Release the names.

        Raises
        ------
        RuntimeError
            It is not held.
        """
        return self._ask("release", self._owner)

    def locked(self) -> Any:
        """Whether it is held."""
        return self._ask("locked", self._owner)

    def __enter__(self) -> Self:
        self._ask("acquire", self._owner, self.names, len(self.names), asynchronous=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ask("release", self._owner, asynchronous=False)

    async def __aenter__(self) -> Self:
        await self._ask("acquire", self._owner, self.names, len(self.names), asynchronous=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._ask("release", self._owner, asynchronous=True)
