"""Answers to the requests of worker processes, in the process that has started them.

A task in a worker process has a client, too: `engine_proxy` forwards what is asked of it here, where the futures are.
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

from thalweg.tasks.client import registry
from thalweg.tasks.client.events import log
from thalweg.tasks.client.waiting import FAILED, error_of, result_of, settled
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.process import lending, pickling
from thalweg.tasks.sync.coordinator import Asker
from thalweg.tasks.sync.signals import Signal

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine, Future
    from thalweg.tasks.sync.coordinator import Coordinator

__all__ = ["WorkerRequests", "dumps", "future_at"]

#: Objects that a worker process knows by number.
Futures: TypeAlias = "dict[int, Future[Any]]"


def future_at(place: int) -> Future[Any]:
    """Return the future that a worker process knows by a number: what its own futures are pickled as.

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
    """Pickle, in one piece, also what plain pickles do not do for.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.process.worker_requests import dumps
    >>> pickle.loads(dumps([1, 2]))
    [1, 2]
    """
    return pickling.again(value, lambda _: True)


class Known:
    """Objects that a worker process has asked for, and may still need."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self.futures: Futures = {}
        self.waiting: set[Signal[Any]] = set()
        self._numbers = numbers
        #: The numbers of those whose tasks it has submitted.
        self._own: set[int] = set()
        self._is_lost = False

    def add(self, future: Future[Any], *, is_own: bool = False) -> tuple[int, Any]:
        """Let the worker know of a future: return its number and its key. `is_own`: it has submitted the task."""
        place = next(self._numbers)
        self.futures[place] = future
        if is_own:
            self._own.add(place)
        if self._is_lost:
            # It died while its question was answered.
            self.lose()
        return place, future.key

    def forget(self, place: int) -> None:
        """Let go of a future."""
        self.futures.pop(place, None)
        self._own.discard(place)

    def lose(self) -> None:
        """Let go of everything: the worker has died. Its tasks are stopped that nobody else wants."""
        self._is_lost = True
        for place, future in list(self.futures.items()):
            if place in self._own:
                future._orphan()
            self.forget(place)
        for signal in list(self.waiting):
            signal.cancel()


class WorkerRequests:
    """Answers the questions of an engine's worker processes.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client import registry
    >>> from thalweg.tasks.process.worker_requests import WorkerRequests, dumps
    >>> with Client() as client:
    ...     requests = WorkerRequests(client._engine, registry.shared(client._engine).coordinator)
    ...     question = dumps(("scatter", (dumps("a value"), "key"), None, []))
    ...     requests.answer(1, question, lambda reply: print(pickle.loads(reply)))
    (True, (1, 'key'))
    """

    def __init__(self, engine: Engine, coordinator: Coordinator) -> None:
        self._engine = ref(engine)
        self._coordinator = coordinator
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._workers: dict[int, Known] = {}
        #: Futures that tasks have returned, by their keys, until somebody reads the result.
        self.returned: dict[Any, Future[Any]] = {}
        self._lost: set[int] = set()

    def answer(self, worker: int, question: bytes, reply: Callable[[bytes], object]) -> None:
        """Answer a question of a worker process, when there is an answer. Each process that is started has a number."""
        with self._lock:
            if worker in self._lost:
                return
            asks = self._workers.setdefault(worker, Known(self._numbers))
        try:
            operation, args, seconds, released = _load(asks, question)
            for place in released:
                asks.forget(place)
            signal, then = self._ask(worker, asks, operation, args)
        except Exception as error:
            _reply(asks, reply, error=error)
            return
        timer = None
        if seconds is not None and not signal.done():
            timer = Timer(seconds, signal.cancel)
            timer.daemon = True
            timer.start()

        def told(signal: Signal[Any]) -> None:
            if timer is not None:
                timer.cancel()
            if signal.cancelled():
                _reply(asks, reply, error=TimeoutError(f"not within {seconds} s"))
                return
            error = signal.exception()
            try:
                value = None if error is not None else then(signal.result())
            except BaseException as raised:
                error, value = raised, None
            _reply(asks, reply, value, error)

        if signal.done():
            told(signal)
            return
        asks.waiting.add(signal)
        signal.add_done_callback(asks.waiting.discard)
        signal.add_done_callback(lambda signal: self._call_soon(partial(told, signal)))
        if worker in self._lost:
            signal.cancel()

    def lose(self, worker: int) -> None:
        """Forget what a worker process knew of that has died, and give back what it held."""
        with self._lock:
            self._lost.add(worker)
            asks = self._workers.pop(worker, None)
        self._coordinator.lose(worker)
        if asks is not None:
            asks.lose()

    def close(self) -> None:
        """Forget what worker processes know of."""
        with self._lock:
            self._workers.clear()
            self.returned.clear()

    def _call_soon(self, function: Callable[[], object]) -> None:
        """Call something on a thread that may block: to answer may mean to wait for what the engine has yet to read."""
        engine = self._engine()
        if engine is not None:
            engine.call_soon(function)

    def _ask(
        self, worker: int, asks: Known, operation: str, args: tuple[Any, ...]
    ) -> tuple[Signal[Any], Callable[[Any], Any]]:
        if operation == "state":
            number, *what = args
            return self._coordinator.ask(*what, asker=Asker(worker, number)), _same
        if operation == "gather":
            futures = [asks.futures[place] for place in args[0]]
            return settled(futures, FAILED), lambda _: _results(futures)
        if operation == "settled":
            return settled([asks.futures[place] for place in args[0]], frozenset()), _same
        signal: Signal[Any] = Signal()
        signal.answer(getattr(self, "_" + operation)(asks, *args))
        return signal, _same

    def _submit(self, known: Known, call: bytes, options: dict[str, Any]) -> tuple[int, str]:
        function, args, kwargs = _load(known, call)
        engine, key = self._open(), options.get("key")
        is_own = key is None or engine.find(key) is None
        return known.add(engine.submit(function, args, kwargs, **options), is_own=is_own)

    def _map(self, known: Known, call: bytes, options: dict[str, Any]) -> list[tuple[int, str]]:
        function, iterables, kwargs = _load(known, call)
        futures = self._open().map(function, iterables, kwargs, **options)
        return [known.add(future, is_own=True) for future in futures]

    def _scatter(self, known: Known, value: bytes, key: str | None) -> tuple[int, str]:
        return known.add(self._open().scatter(_load(known, value), key=key))

    def _find(self, known: Known, key: str) -> tuple[int, str] | None:
        future = self._open().find(key)
        return None if future is None else known.add(future)

    def _run(self, known: Known, call: bytes) -> list[tuple[int, str]]:
        return [known.add(future, is_own=True) for future in self._open().run(*_load(known, call))]

    def _info(self, _: Known) -> dict[str, Any]:
        return {**self._open().info(), "width": self._open().width}

    def _status(self, known: Known, place: int) -> str:
        return known.futures[place].status

    def _failure(self, known: Known, place: int) -> BaseException | None:
        return error_of(known.futures[place])

    def _cancel(self, known: Known, place: int, force: bool, msg: str | None) -> bool:
        return known.futures[place].cancel(force=force, msg=msg)

    def _retry(self, known: Known, place: int) -> None:
        known.futures[place].retry()

    def _keep(self, known: Known, place: int) -> None:
        known.futures[place].keep()

    def _running(self, known: Known, place: int) -> bool:
        return known.futures[place].running()

    def _cancel_before_it_begins(self, known: Known, place: int) -> bool:
        return known.futures[place]._cancel_before_it_begins()

    def _ask_to_stop(self, known: Known, place: int) -> None:
        known.futures[place]._ask_to_stop()

    def _give_back(self, known: Known, place: int) -> None:
        """Hold a future that a task returns, until its result is read."""
        future = known.futures[place]
        self.returned[future.key] = future

    def _borrow(self, known: Known, key: Any) -> tuple[int, Any]:
        return known.add(lending.find(self._open(), key))

    def _store(self, _: Known, operation: str, *args: Any) -> Any:
        store = registry.shared(self._open()).store
        if operation not in store.operations:
            raise ValueError(f"there is no operation {operation!r}")
        return getattr(store, operation)(*args)

    def _log_event(self, _: Known, topics: list[str], message: Any) -> None:
        log(self._open(), topics, message)

    def _events(self, _: Known, topic: str | None) -> Any:
        return registry.shared(self._open()).events.events(topic)

    def _open(self) -> Engine:
        engine = self._engine()
        if engine is None:
            raise ClosedClientError("the client has been closed")
        return engine


def _load(known: Known, data: bytes) -> Any:
    with lending.answering(known):
        return pickling.loads(data)


def _same(value: Any) -> Any:
    return value


def _results(futures: list[Future[Any]]) -> list[Any]:
    for future in futures:
        error = error_of(future) if future.status in FAILED else None
        if error is not None:
            raise error
    return [result_of(future) for future in futures]


def _reply(
    known: Known, reply: Callable[[bytes], object], value: Any = None, error: BaseException | None = None
) -> None:
    try:
        with lending.answering(known):
            data = dumps((True, value)) if error is None else dumps((False, error))
    except Exception as unpicklable:
        data = pickle.dumps((False, TypeError(f"the answer can't be sent to a worker process: {unpicklable}")))
    reply(data)
