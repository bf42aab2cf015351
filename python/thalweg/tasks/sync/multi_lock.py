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
    """All names that can be locked together. Of those who want a name, who has waited longest has it first."""

    def __init__(self) -> None:
        #: By the owner: the names it has, and the request that was granted.
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
                # Those who came later do not overtake it.
                taken.update(names)
            elif answer(request, owner):
                self._held[owner] = (set(free), request)
                taken.update(free)


class MultiLock(Named):
    """A lock on several names: who has it has all of them, and nobody else has one of them meanwhile.

    It is used with ``with``, or with ``async with``. In an asynchronous client's loop what its methods return is to be
    awaited. When a worker process dies, or is ended for a time limit, the names that its tasks have are given back.

    Parameters
    ----------
    names
        The names.
    client
        Whose names; None: the client of the task, or the default one.

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
        # They are one state: what is granted depends on all who want one of the names.
        super().__init__("all", client)
        self.names: list[str] = list(dict.fromkeys(names or ()))
        self._owner = uuid4().hex

    def __reduce__(self) -> Any:
        return type(self), (self.names,)

    def acquire(self, blocking: bool = True, timeout: Interval | None = None, num_locks: int | None = None) -> Any:
        """Get the lock, and say whether that succeeded.

        Parameters
        ----------
        blocking
            Whether to wait for it.
        timeout
            For how long, at most.
        num_locks
            How many of the names are enough; None: all.

        Raises
        ------
        ValueError
            A timeout, where there is nothing to wait for; or there are not so many names.
        RuntimeError
            It has the lock.
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
            # Others may have waited only because this one did.
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
        """Let others have the names.

        Raises
        ------
        RuntimeError
            It has not got the lock.
        """
        return self._ask("release", self._owner)

    def locked(self) -> Any:
        """Whether it has the lock."""
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
