"""Proxy of the engine in a worker process: requests are executed by the parent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry, tree
from thalweg.tasks.process import requests
from thalweg.tasks.process.lending import borrow
from thalweg.tasks.process.notifier import Notification, Notifier
from thalweg.tasks.process.parent import ask
from thalweg.tasks.process.pickling import loads, traceback_of
from thalweg.tasks.process.worker_requests import dumps, future_at

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from thalweg._types import Interval
    from thalweg.tasks.process.requests import Request

R = TypeVar("R")

__all__ = ["EngineProxy", "RemoteFuture", "engine"]


class EngineProxy:
    """Proxy of the engine that has started this process.

    Parameters
    ----------
    ask
        Sends bytes to the parent and returns the bytes of the answer; its argument says whether the answer has to wait
        for something.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client import registry
    >>> from thalweg.tasks.process.worker_requests import WorkerRequests
    >>> from thalweg.tasks.process.engine_proxy import EngineProxy
    >>> def ask(question, waits):
    ...     reply = Future()
    ...     requests.answer(1, question, reply.set_result)
    ...     return reply.result()
    >>> with Client() as client:
    ...     requests = WorkerRequests(client._engine, registry.shared(client._engine).coordinator)
    ...     EngineProxy(ask).submit(abs, (-1,)).result()
    1
    """

    kind = "processes"
    closed = False
    asynchronous = False

    def __init__(self, ask: Callable[[bytes, bool], bytes]) -> None:
        self._ask_parent = ask
        self.notifier = Notifier(self)
        # Collected, since an object may be dropped in the middle of a request.
        self._released: deque[int] = deque()

    def ask(self, request: Request[R], seconds: float | None = None) -> R:
        """Send a request to the parent, and wait for its answer, for so many seconds at most if given."""
        released = []
        while self._released:
            released.append(self._released.popleft())
        question = _for_parent((request, seconds, released))
        succeeded, value = loads(self._ask_parent(question, isinstance(request, requests.WAITING)))
        if not succeeded:
            raise value
        answer: R = value
        return answer

    @property
    def width(self) -> int:
        """Number of tasks that run at a time."""
        width: int = self.info()["width"]
        return width

    def submit(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, **options: Any
    ) -> RemoteFuture:
        """Run a function."""
        return self.future(*self.ask(requests.Submit(_for_parent((function, args, kwargs)), options)))

    def map(
        self,
        function: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> list[RemoteFuture]:
        """Run a function with each element."""
        call = _for_parent((function, tuple(list(each) for each in iterables), kwargs))
        return [self.future(*known) for known in self.ask(requests.Map(call, options))]

    def detach(self, futures: Iterable[RemoteFuture]) -> None:
        """Let tasks run to their ends even if their futures are dropped; closing the engine waits for them."""
        self.ask(requests.Detach([future.place for future in futures]))

    def run(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> list[RemoteFuture]:
        """Run a function on each worker."""
        return [self.future(*known) for known in self.ask(requests.Run(_for_parent((function, args, kwargs))))]

    def scatter(self, value: Any, *, key: str | None = None) -> RemoteFuture:
        """Turn a value into a future."""
        return self.future(*self.ask(requests.Scatter(_for_parent(value), key)))

    def find(self, key: str) -> RemoteFuture | None:
        """Return the live task with a key."""
        known = self.ask(requests.Find(key))
        return None if known is None else self.future(*known)

    def borrow(self, key: Any) -> RemoteFuture:
        """Return the live task with a key, also one without a name."""
        return self.future(*self.ask(requests.Borrow(key)))

    def tally(self) -> RemoteTally:
        """Return a counter of unfinished tasks."""
        return RemoteTally(self)

    def gather(self, futures: list[RemoteFuture], seconds: float | None = None) -> list[Any]:
        """Wait for all results."""
        return self.ask(requests.Gather([future.place for future in futures]), seconds)

    def info(self) -> dict[str, Any]:
        """Return what the workers are doing."""
        return self.ask(requests.Info())

    def use_state(
        self, number: int, kind: str, name: str, operation: str, *args: Any, seconds: float | None = None
    ) -> Any:
        """Use a lock, an event or another state shared by tasks."""
        return self.ask(requests.UseState(number, kind, name, operation, args), seconds)

    def use_store(self, operation: str, *args: Any) -> Any:
        """Use the store of metadata and data sets."""
        return self.ask(requests.UseStore(operation, args))

    def log_event(self, topics: list[str], message: Any) -> None:
        """Log an event."""
        self.ask(requests.LogEvent(topics, message))

    def events(self, topic: str | None) -> Any:
        """Return the events that were logged."""
        return self.ask(requests.Events(topic))

    def detached(self) -> list[RemoteFuture]:
        """Return the futures that closing waits for: none, since this closes nothing."""
        return []

    def close(self, *, wait: bool = False) -> None:
        """Do nothing: the engine belongs to another process."""

    def future(self, place: int, key: Any) -> RemoteFuture:
        """Return the future that the parent knows by a number."""
        return RemoteFuture(self, place, key)


class RemoteTally:
    """Counts unfinished tasks, whoever wants their results."""

    def __init__(self, engine: EngineProxy) -> None:
        self._engine = engine
        self._futures: list[RemoteFuture] = []

    def add(self, futures: list[RemoteFuture]) -> None:
        """Count tasks."""
        self._futures += futures

    def cancel_before_they_begin(self) -> None:
        """Cancel those that have not started."""
        for future in self._futures:
            future._cancel_before_it_begins()

    def runs_here(self) -> bool:
        """Whether one of them runs in this thread."""
        return False

    def wait(self) -> None:
        """Wait until all have ended."""
        self._engine.ask(requests.Settle([future.place for future in self._futures]))
        self._futures.clear()


class _Here(threading.local):
    def __init__(self) -> None:
        #: Number of requests being pickled in this thread.
        self.asking = 0


_here = _Here()


def _for_parent(value: Any) -> bytes:
    """Pickle a request: futures become the numbers by which the parent knows them."""
    _here.asking += 1
    try:
        return dumps(value)
    finally:
        _here.asking -= 1


class RemoteFuture:
    """A future of another process's task."""

    def __init__(self, engine: EngineProxy, place: int, key: Any) -> None:
        self.engine = engine
        self.place = place
        self.key = key

    def __reduce__(self) -> Any:
        if _here.asking:
            return future_at, (self.place,)
        # It leaves this process in another way, for example as a result.
        self.engine.ask(requests.GiveBack(self.place))
        return borrow, (self.key,)

    def __del__(self) -> None:
        self.engine._released.append(self.place)

    @property
    def status(self) -> str:
        """Status of the task."""
        return self.engine.ask(requests.Status(self.place))

    def done(self) -> bool:
        """Whether the task has ended."""
        return self.status != "pending"

    def cancelled(self) -> bool:
        """Whether the task has been cancelled."""
        return self.status == "cancelled"

    def result(self, timeout: Interval | None = None) -> Any:
        """Wait for the result."""
        return self.engine.gather([self], _seconds(timeout))[0]

    def _result_here(self) -> Any:
        return self.engine.gather([self])[0]

    def _wait(self, seconds: float) -> bool:
        try:
            self.engine.ask(requests.Settle([self.place]), seconds)
        except TimeoutError:
            return False
        return True

    def exception(self, timeout: Interval | None = None) -> BaseException | None:
        """Wait for the task's exception."""
        self.engine.ask(requests.Settle([self.place]), _seconds(timeout))
        error: BaseException | None = self.engine.ask(requests.Failure(self.place))
        return error

    def traceback(self, timeout: Interval | None = None) -> TracebackType | None:
        """Wait for the traceback of the task's exception."""
        error = self.exception(timeout)
        return None if error is None else traceback_of(error)

    def cancel(self, reason: str | None = None, msg: str | None = None, force: bool = False) -> bool:
        """Cancel the task."""
        return self.engine.ask(requests.Cancel(self.place, force, msg))

    def retry(self) -> None:
        """Run a failed task again."""
        self.engine.ask(requests.Retry(self.place))

    def running(self) -> bool:
        """Whether the task is running."""
        return self.engine.ask(requests.IsRunning(self.place))

    def _cancel_before_it_begins(self) -> bool:
        return self.engine.ask(requests.CancelBeforeItBegins(self.place))

    def _ask_to_stop(self) -> None:
        self.engine.ask(requests.AskToStop(self.place))

    def _runs_here(self) -> bool:
        return False

    def keep(self) -> None:
        """Let the task run to its end even if the future is dropped."""
        self.engine.ask(requests.Keep(self.place))

    def release(self) -> None:
        """Release the task."""

    def add_done_callback(self, callback: Callable[[RemoteFuture], object]) -> None:
        """Call a function, which may block, when the task has ended."""
        call = threading.Thread(target=callback, args=(self,), daemon=True)
        self.engine.notifier.add(self.place, Notification(call.start))

    _notify = _when_here = add_done_callback

    def _notify_holder(self, callback: Callable[[RemoteFuture], object], interest: object) -> None:
        future = ref(self)

        def call() -> None:
            if (me := future()) is not None:
                callback(me)

        self.engine.notifier.add(self.place, Notification(call, future, ref(interest)))

    @property
    def client(self) -> Any:
        """The client of the task that has this future."""
        return registry.default_client()

    @property
    def type(self) -> type | None:
        """The type of the result, once there is one."""
        return type(self.result()) if self.status == "finished" else None

    def __dask_tokenize__(self) -> tuple[str, Any]:
        return "thalweg-future", self.key

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        import asyncio

        from thalweg.tasks.client import awaiting

        await awaiting.wait(self)
        # Not on the loop, which a large result would block. Here, a thread waits for nothing else.
        return await asyncio.to_thread(self._result_here)

    def __repr__(self) -> str:
        return f"<Future: {self.status}, key: {self.key}>"


tree.KINDS.add(RemoteFuture)


def _seconds(timeout: Interval | None) -> float | None:
    return None if timeout is None else float(convert_interval(timeout))


_engine: EngineProxy | None = None


def engine() -> EngineProxy:
    """Return the engine of this worker process."""
    global _engine
    if _engine is None:
        _engine = EngineProxy(ask)
    return _engine
