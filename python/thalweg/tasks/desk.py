"""Where the questions of worker processes are answered: in the process that has started them.

A task in a worker process has a client, too: `remote_engine` forwards what is asked of it here, where the futures are.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Timer
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from thalweg.tasks import pickling
from thalweg.tasks.coordinator import Asker
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.signals import Signal
from thalweg.tasks.waiting import FAILED, error_of, result_of, settled

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine, Future
    from thalweg.tasks.coordinator import Coordinator

__all__ = ["Desk", "dumps", "future_at"]

#: What a worker process knows of, by numbers.
Futures: TypeAlias = "dict[int, Future[Any]]"

_here = threading.local()


def future_at(place: int) -> Future[Any]:
    """Return the future that a worker process knows by a number: what its own futures are pickled as.

    Examples
    --------
    >>> from thalweg.tasks.desk import future_at
    >>> try:
    ...     future_at(1)
    ... except LookupError:
    ...     print("in a question only")
    in a question only
    """
    futures: dict[int, Future[Any]] | None = getattr(_here, "futures", None)
    if futures is None:
        raise LookupError("a future of a worker process has no meaning elsewhere")
    return futures[place]


def dumps(value: Any) -> bytes:
    """Pickle, in one piece, also what plain pickles do not do for.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.desk import dumps
    >>> pickle.loads(dumps([1, 2]))
    [1, 2]
    """
    return pickling.again(value, lambda _: True)


class _Worker:
    """What a worker process has asked for, and may still need."""

    def __init__(self) -> None:
        self.futures: dict[int, Future[Any]] = {}
        self.waiting: set[Signal[Any]] = set()


class Desk:
    """Answers the questions of an engine's worker processes.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks import Client, registry
    >>> from thalweg.tasks.desk import Desk, dumps
    >>> with Client() as client:
    ...     desk = Desk(client._engine, registry.shared(client._engine).coordinator)
    ...     question = dumps(("scatter", (dumps("a value"), "key"), None, []))
    ...     desk.answer(1, question, lambda reply: print(pickle.loads(reply)))
    (True, (1, 'key'))
    """

    def __init__(self, engine: Engine, coordinator: Coordinator) -> None:
        self._engine = ref(engine)
        self._coordinator = coordinator
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._workers: dict[int, _Worker] = {}
        self._lost: set[int] = set()

    def answer(self, worker: int, question: bytes, reply: Callable[[bytes], object]) -> None:
        """Answer a question of a worker process, when there is an answer. Each process that is started has a number."""
        with self._lock:
            if worker in self._lost:
                return
            asks = self._workers.setdefault(worker, _Worker())
        try:
            operation, args, seconds, released = pickling.loads(question)
            for place in released:
                asks.futures.pop(place, None)
            signal, then = self._ask(worker, asks, operation, args)
        except Exception as error:
            _reply(reply, error=error)
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
                _reply(reply, error=TimeoutError(f"not within {seconds} s"))
                return
            error = signal.exception()
            try:
                value = None if error is not None else then(signal.result())
            except BaseException as raised:
                error, value = raised, None
            _reply(reply, value, error)

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
            for signal in list(asks.waiting):
                signal.cancel()

    def close(self) -> None:
        """Forget what worker processes know of."""
        with self._lock:
            self._workers.clear()

    def _call_soon(self, function: Callable[[], object]) -> None:
        """Call something on a thread that may block: to answer may mean to wait for what the engine has yet to read."""
        engine = self._engine()
        if engine is not None:
            engine.call_soon(function)

    def _ask(
        self, worker: int, asks: _Worker, operation: str, args: tuple[Any, ...]
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
        signal.answer(getattr(self, "_" + operation)(asks.futures, *args))
        return signal, _same

    def _submit(self, known: Futures, call: bytes, options: dict[str, Any]) -> tuple[int, str]:
        function, args, kwargs = _load(known, call)
        return self._known(known, self._open().submit(function, args, kwargs, **options))

    def _map(self, known: Futures, call: bytes, options: dict[str, Any]) -> list[tuple[int, str]]:
        function, iterables, kwargs = _load(known, call)
        return [self._known(known, future) for future in self._open().map(function, iterables, kwargs, **options)]

    def _scatter(self, known: Futures, value: bytes, key: str | None) -> tuple[int, str]:
        return self._known(known, self._open().scatter(_load(known, value), key=key))

    def _find(self, known: Futures, key: str) -> tuple[int, str] | None:
        future = self._open().find(key)
        return None if future is None else self._known(known, future)

    def _run(self, known: Futures, call: bytes) -> list[tuple[int, str]]:
        return [self._known(known, future) for future in self._open().run(*_load(known, call))]

    def _info(self, _: Futures) -> dict[str, Any]:
        return {**self._open().info(), "width": self._open().width}

    def _status(self, known: Futures, place: int) -> str:
        return known[place].status

    def _failure(self, known: Futures, place: int) -> BaseException | None:
        return error_of(known[place])

    def _cancel(self, known: Futures, place: int, force: bool, msg: str | None) -> bool:
        return known[place].cancel(force=force, msg=msg)

    def _retry(self, known: Futures, place: int) -> None:
        known[place].retry()

    def _keep(self, known: Futures, place: int) -> None:
        known[place].keep()

    def _open(self) -> Engine:
        engine = self._engine()
        if engine is None:
            raise ClosedClientError("the client has been closed")
        return engine

    def _known(self, known: Futures, future: Future[Any]) -> tuple[int, str]:
        place = next(self._numbers)
        known[place] = future
        return place, future.key


def _load(futures: Futures, data: bytes) -> Any:
    _here.futures = futures
    try:
        return pickling.loads(data)
    finally:
        _here.futures = None


def _same(value: Any) -> Any:
    return value


def _results(futures: list[Future[Any]]) -> list[Any]:
    for future in futures:
        error = error_of(future) if future.status in FAILED else None
        if error is not None:
            raise error
    return [result_of(future) for future in futures]


def _reply(reply: Callable[[bytes], object], value: Any = None, error: BaseException | None = None) -> None:
    try:
        data = dumps((True, value)) if error is None else dumps((False, error))
    except Exception as unpicklable:
        data = pickle.dumps((False, TypeError(f"the answer can't be sent to a worker process: {unpicklable}")))
    reply(data)
