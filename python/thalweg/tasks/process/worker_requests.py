"""Answers to requests of worker processes, in the process that has started them.

A task in a worker process has a client too: `engine_proxy` forwards its requests here, where the futures are.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from threading import Timer
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from thalweg._thalweg.tasks import Interest
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.process import lending, pickling
from thalweg.tasks.process.requests import Later
from thalweg.tasks.sync.signals import Signal

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine, Future
    from thalweg.tasks.sync.coordinator import Coordinator

__all__ = ["WorkerRequests", "dumps", "future_at"]

#: Objects that a worker process knows by number.
Futures: TypeAlias = "dict[int, Future[Any]]"


def future_at(place: int) -> Future[Any]:
    """Return the future that a worker process knows by a number, which is the pickled form of its own futures.

    Examples
    --------
    >>> from thalweg.tasks.process.worker_requests import future_at
    >>> try:
    ...     future_at(1)
    ... except LookupError:
    ...     print("in a question only")
    in a question only
    """
    asker = lending.current_asker()
    if asker is None:
        raise LookupError("a future of a worker process has no meaning elsewhere")
    return asker.futures[place]


def dumps(value: Any) -> bytes:
    """Pickle, in one piece, also objects that plain pickle does not handle.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.process.worker_requests import dumps
    >>> pickle.loads(dumps([1, 2]))
    [1, 2]
    """
    return pickling.again(value, lambda _: True)


class Known:
    """Objects that a worker process has requested, and may still need."""

    def __init__(self, worker: int, numbers: Iterator[int]) -> None:
        self.worker = worker
        self.futures: Futures = {}
        self.waiting: set[Signal[Any]] = set()
        self._numbers = numbers
        #: The numbers of those whose tasks it has submitted.
        self._own: set[int] = set()
        self._is_lost = False
        #: Its number among the workers, once it has been asked for.
        self.place: int | None = None
        self._interest = Interest()
        self._lock = threading.Lock()
        #: Places of watched futures that have ended, for the next answer.
        self._ended: list[int] = []
        self._next: Signal[None] = Signal()

    def add(self, future: Future[Any], *, is_own: bool = False) -> tuple[int, Any]:
        """Add a future: return its number and its key. `is_own`: the worker has submitted the task."""
        place = next(self._numbers)
        self.futures[place] = future
        if is_own:
            self._own.add(place)
        if self._is_lost:
            # It died while its request was answered.
            self.lose()
        return place, future.key

    def load(self, data: bytes) -> Any:
        """Unpickle a request of the worker, in which futures are numbers."""
        with lending.answering(self):
            return pickling.loads(data)

    def forget(self, place: int) -> None:
        """Release a future."""
        self.futures.pop(place, None)
        self._own.discard(place)

    def watch(self, place: int) -> None:
        """Note the end of a future's task."""
        if (future := self.futures.get(place)) is not None:
            future._notify_holder(lambda _: self._note(place), self._interest)

    def _note(self, place: int) -> None:
        with self._lock:
            self._ended.append(place)
            signal = self._next
        signal.answer(None)

    def next_ended(self) -> Signal[None]:
        """Return an event for the end of a watched task."""
        with self._lock:
            return self._next

    def take_ended(self) -> list[int]:
        """Return the places of the tasks that have ended since the last call."""
        with self._lock:
            ended, self._ended = self._ended, []
            self._next = Signal()
        return ended

    def lose(self) -> None:
        """Release everything: the worker has died. Tasks that nobody else wants are stopped."""
        self._is_lost = True
        self._interest = Interest()
        for place, future in list(self.futures.items()):
            if place in self._own:
                future._orphan()
            self.forget(place)
        for signal in list(self.waiting):
            signal.cancel()


class WorkerRequests:
    """Answers the requests of an engine's worker processes.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client import registry
    >>> from thalweg.tasks.process.requests import Scatter
    >>> from thalweg.tasks.process.worker_requests import WorkerRequests, dumps
    >>> with Client() as client:
    ...     requests = WorkerRequests(client._engine, registry.shared(client._engine).coordinator)
    ...     question = dumps((Scatter(dumps("a value"), "key"), None, []))
    ...     requests.answer(1, question, lambda reply: print(pickle.loads(reply)))
    (True, (1, 'key'))
    """

    def __init__(self, engine: Engine, coordinator: Coordinator) -> None:
        self._engine = ref(engine)
        #: Of locks, events and the like.
        self.coordinator = coordinator
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._workers: dict[int, Known] = {}
        #: Futures returned by tasks, by key, until the result is read.
        self.returned: dict[Any, Future[Any]] = {}
        self._lost: set[int] = set()
        self._has_ended = False

    def answer(self, worker: int, question: bytes, reply: Callable[[bytes], object]) -> None:
        """Answer a request of a worker process, once there is an answer. Each process started has its own number."""
        with self._lock:
            if self._has_ended or worker in self._lost:
                return
            known = self._workers.setdefault(worker, Known(worker, self._numbers))
        try:
            request, seconds, released = known.load(question)
            for place in released:
                known.forget(place)
            answer = request.answer(self, known)
        except Exception as error:
            _reply(known, reply, error=error)
            return
        if isinstance(answer, Later):
            self._answer_later(known, answer, seconds, reply)
        else:
            _reply(known, reply, answer)

    def _answer_later(
        self, known: Known, answer: Later, seconds: float | None, reply: Callable[[bytes], object]
    ) -> None:
        signal, then = answer
        timer = None
        if seconds is not None and not signal.done():
            timer = Timer(seconds, signal.cancel)
            timer.daemon = True
            timer.start()

        def told(signal: Signal[Any]) -> None:
            if timer is not None:
                timer.cancel()
            if signal.cancelled():
                _reply(known, reply, error=TimeoutError(f"not within {seconds} s"))
                return
            error = signal.exception()
            try:
                value = None if error is not None else then(signal.result())
            except BaseException as raised:
                error, value = raised, None
            _reply(known, reply, value, error)

        if signal.done():
            told(signal)
            return
        known.waiting.add(signal)
        signal.add_done_callback(known.waiting.discard)
        signal.add_done_callback(lambda signal: self._call_soon(partial(told, signal)))
        if known.worker in self._lost:
            signal.cancel()

    def lose(self, worker: int) -> None:
        """Forget what a dead worker process knew, and release what it held."""
        with self._lock:
            self._lost.add(worker)
            asks = self._workers.pop(worker, None)
        self.coordinator.lose(worker)
        if asks is not None:
            asks.lose()

    def end(self) -> None:
        """Release what all worker processes held: they have ended."""
        with self._lock:
            self._has_ended = True
            workers = list(self._workers)
        for worker in workers:
            self.lose(worker)

    def close(self) -> None:
        """Forget what worker processes know."""
        with self._lock:
            self._workers.clear()
            self.returned.clear()

    def _call_soon(self, function: Callable[[], object]) -> None:
        """Call a function on a thread that may block: an answer may have to wait for messages that the engine has yet
        to read."""
        engine = self._engine()
        if engine is not None:
            engine.call_soon(function)

    @property
    def engine(self) -> Engine:
        """The engine, as long as it is open.

        Raises
        ------
        ClosedClientError
            It is not.
        """
        engine = self._engine()
        if engine is None:
            raise ClosedClientError("the client has been closed")
        return engine


def _reply(
    known: Known, reply: Callable[[bytes], object], value: Any = None, error: BaseException | None = None
) -> None:
    try:
        with lending.answering(known):
            data = dumps((True, value)) if error is None else dumps((False, pickling.sendable(error)))
    except Exception as unpicklable:
        data = pickle.dumps((False, TypeError(f"the answer can't be sent to a worker process: {unpicklable}")))
    reply(data)
