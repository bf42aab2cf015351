"""Common base of locks, events, semaphores, queues and variables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry
from thalweg.tasks.client.waiting import block, later
from thalweg.tasks.sync.coordinator import RemoteCoordinator

if TYPE_CHECKING:
    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.sync.coordinator import Coordinates


class Named:
    """A shared object that tasks find by its name, which is its pickled form."""

    _kind: str
    #: The operations whose answer goes to somebody else if it arrives too late.
    _given_back: tuple[str, ...] = ()

    def __init__(self, name: str | None = None, client: Client | None = None) -> None:
        self.name: str = f"{self._kind}-{uuid4().hex}" if name is None else name
        self._client = client
        self._coordinator: Coordinates | None = None
        self._connect()

    def _connect(self) -> Coordinates:
        if self._coordinator is None:
            self._client = registry.default_client(self._client)
            self._coordinator = registry.shared(self._client._engine).coordinator
        return self._coordinator

    @property
    def client(self) -> Client | None:
        """The client it belongs to."""
        self._connect()
        return self._client

    def __reduce__(self) -> Any:
        return type(self), (self.name,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    def _ask(
        self,
        operation: str,
        *args: Any,
        timeout: Interval | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Send a request, and wait for the answer: here, or in the returned awaitable. A late answer is given back."""
        coordinator = self._connect()
        seconds = None if timeout is None else float(convert_interval(timeout))
        if asynchronous is None:
            asynchronous = self._client is not None and self._client.asynchronous
        if asynchronous:
            return self._answer_later(coordinator, operation, args, seconds)
        if isinstance(coordinator, RemoteCoordinator):
            return coordinator.ask(self._kind, self.name, operation, *args, seconds=seconds).result()
        signal = coordinator.ask(self._kind, self.name, operation, *args)
        return block(signal, seconds, self._giving_back(coordinator, operation))

    async def _answer_later(
        self, coordinator: Coordinates, operation: str, args: tuple[Any, ...], seconds: float | None
    ) -> Any:
        if isinstance(coordinator, RemoteCoordinator):
            ask = coordinator.ask
            asked = await asyncio.to_thread(lambda: ask(self._kind, self.name, operation, *args, seconds=seconds))
            return asked.result()
        signal = coordinator.ask(self._kind, self.name, operation, *args)
        return await later(signal, seconds, self._giving_back(coordinator, operation))

    def _giving_back(self, coordinator: Coordinates, operation: str) -> Callable[[Any], object] | None:
        if operation not in self._given_back:
            return None
        return lambda answer: coordinator.ask(self._kind, self.name, "give_back", answer, operation)

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    def close(self) -> Any:
        """Forget it: the next one of that name starts anew."""
        return self._ask("forget")


async def or_false(answer: Awaitable[Any]) -> bool:
    """Await a signal within a timeout, and return whether it arrived."""
    try:
        await answer
    except TimeoutError:
        return False
    return True
