"""The engine as a task in a worker process has it: what is asked of it, its parent does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from thalweg.tasks import nesting
from thalweg.tasks.desk import dumps, future_at
from thalweg.tasks.pickling import loads

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

__all__ = ["RemoteEngine", "RemoteFuture", "engine"]


class RemoteEngine:
    """Stands for the engine that has started this process.

    Parameters
    ----------
    ask
        Sends bytes there, and returns the bytes that are the answer, whenever it comes.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> from thalweg.tasks import Client, registry
    >>> from thalweg.tasks.desk import Desk
    >>> from thalweg.tasks.remote_engine import RemoteEngine
    >>> def ask(question):
    ...     reply = Future()
    ...     desk.answer(1, question, reply.set_result)
    ...     return reply.result()
    >>> with Client() as client:
    ...     desk = Desk(client._engine, registry.shared(client._engine).coordinator)
    ...     RemoteEngine(ask).submit(abs, (-1,)).result()
    1
    """

    kind = "processes"
    closed = False
    asynchronous = False

    def __init__(self, ask: Callable[[bytes], bytes]) -> None:
        self._ask_parent = ask
        # Not told one by one: an object may go in the middle of a question.
        self._released: deque[int] = deque()

    def ask(self, operation: str, *args: Any, seconds: float | None = None) -> Any:
        """Ask the parent, and wait for its answer."""
        released = []
        while self._released:
            released.append(self._released.popleft())
        succeeded, value = loads(self._ask_parent(dumps((operation, args, seconds, released))))
        if not succeeded:
            raise value
        return value

    @property
    def width(self) -> int:
        """How many tasks run at once."""
        width: int = self.info()["width"]
        return width

    def submit(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, **options: Any
    ) -> RemoteFuture:
        """Run a function."""
        return self._future(self.ask("submit", dumps((function, args, kwargs)), options))

    def map(
        self,
        function: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> list[RemoteFuture]:
        """Run a function on each element."""
        call = dumps((function, tuple(list(each) for each in iterables), kwargs))
        return [self._future(known) for known in self.ask("map", call, options)]

    def run(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> list[RemoteFuture]:
        """Run a function on each worker."""
        return [self._future(known) for known in self.ask("run", dumps((function, args, kwargs)))]

    def scatter(self, value: Any, *, key: str | None = None) -> RemoteFuture:
        """Make a future of a value."""
        return self._future(self.ask("scatter", dumps(value), key))

    def find(self, key: str) -> RemoteFuture | None:
        """Return the live task with a key."""
        known = self.ask("find", key)
        return None if known is None else self._future(known)

    def gather(self, futures: list[RemoteFuture], seconds: float | None = None) -> list[Any]:
        """Wait for all results."""
        results: list[Any] = self.ask("gather", [future.place for future in futures], seconds=seconds)
        return results

    def info(self) -> dict[str, Any]:
        """Return what the workers do."""
        info: dict[str, Any] = self.ask("info")
        return info

    def close(self, *, wait: bool = False) -> None:
        """Do nothing: the engine is not this process'."""

    def _future(self, known: tuple[int, str]) -> RemoteFuture:
        return RemoteFuture(self, *known)


class RemoteFuture:
    """A future that is in another process."""

    def __init__(self, engine: RemoteEngine, place: int, key: str) -> None:
        self.engine = engine
        self.place = place
        self.key = key

    def __reduce__(self) -> Any:
        return future_at, (self.place,)

    def __del__(self) -> None:
        self.engine._released.append(self.place)

    @property
    def status(self) -> str:
        """How the task is."""
        status: str = self.engine.ask("status", self.place)
        return status

    def done(self) -> bool:
        """Whether the task has ended."""
        return self.status != "pending"

    def cancelled(self) -> bool:
        """Whether the task has been cancelled."""
        return self.status == "cancelled"

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result."""
        return self.engine.gather([self], timeout)[0]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for what the task raised."""
        self.engine.ask("settled", [self.place], seconds=timeout)
        error: BaseException | None = self.engine.ask("failure", self.place)
        return error

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        """Wait for where the task raised it."""
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def cancel(self, *, force: bool = False, msg: str | None = None) -> bool:
        """Cancel the task."""
        cancelled: bool = self.engine.ask("cancel", self.place, force, msg)
        return cancelled

    def retry(self) -> None:
        """Run a failed task again."""
        self.engine.ask("retry", self.place)

    def keep(self) -> None:
        """Let the task run to its end also if nobody holds the future."""
        self.engine.ask("keep", self.place)

    def release(self) -> None:
        """Let go of the task."""

    def add_done_callback(self, callback: Callable[[RemoteFuture], object]) -> None:
        """Call something when the task has ended."""

        def wait() -> None:
            self.engine.ask("settled", [self.place])
            callback(self)

        threading.Thread(target=wait, daemon=True).start()

    _notify = _when_here = add_done_callback

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        return asyncio.to_thread(self.result).__await__()

    def __repr__(self) -> str:
        return f"<Future: {self.status}, key: {self.key}>"


nesting.KINDS.add(RemoteFuture)

_engine: RemoteEngine | None = None


def engine() -> RemoteEngine:
    """Return the engine of this worker process."""
    global _engine
    if _engine is None:
        from thalweg.tasks.worker import ask

        _engine = RemoteEngine(ask)
    return _engine
