"""Where the questions of worker processes are answered: in the process that has started them.

A task in a worker process has a client, too: `remote_engine` forwards what is asked of it here, where the futures are.
"""

from __future__ import annotations

import concurrent.futures
import pickle
from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Timer
from typing import TYPE_CHECKING, Any
from weakref import ref

from thalweg.tasks import lending, pickling, registry
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.events import log
from thalweg.tasks.waiting import FAILED, error_of, result_of, settled

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine, Future
    from thalweg.tasks.coordinator import Coordinator

__all__ = ["Desk", "dumps", "future_at"]

Signal = concurrent.futures.Future


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
    desk = lending.current_desk()
    if desk is None:
        raise LookupError("a future of a worker process has no meaning elsewhere")
    return desk.futures[place]


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
    ...     desk.answer(question, lambda reply: print(pickle.loads(reply)))
    (True, (1, 'key'))
    """

    def __init__(self, engine: Engine, coordinator: Coordinator) -> None:
        self._engine = ref(engine)
        self._coordinator = coordinator
        self._numbers = count(1)
        #: What worker processes know of. Those of one that has died stay until the client closes.
        self.futures: dict[int, Future[Any]] = {}
        #: Futures that tasks have returned, by their keys, until somebody reads the result.
        self.returned: dict[Any, Future[Any]] = {}

    def answer(self, question: bytes, reply: Callable[[bytes], object]) -> None:
        """Answer a question, when there is an answer."""
        try:
            operation, args, seconds, released = self._load(question)
            for place in released:
                self.futures.pop(place, None)
            signal, then = self._ask(operation, args)
        except Exception as error:
            self._reply(reply, error=error)
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
                self._reply(reply, error=TimeoutError(f"not within {seconds} s"))
                return
            error = signal.exception()
            try:
                value = None if error is not None else then(signal.result())
            except BaseException as raised:
                error, value = raised, None
            self._reply(reply, value, error)

        if signal.done():
            told(signal)
        else:
            signal.add_done_callback(lambda signal: self._call_soon(partial(told, signal)))

    def _call_soon(self, function: Callable[[], object]) -> None:
        """Call something on a thread that may block: to answer may mean to wait for what the engine has yet to read."""
        engine = self._engine()
        if engine is not None:
            engine.call_soon(function)

    def _ask(self, operation: str, args: tuple[Any, ...]) -> tuple[Signal[Any], Callable[[Any], Any]]:
        if operation == "state":
            return self._coordinator.ask(*args), _same
        if operation == "gather":
            futures = [self.futures[place] for place in args[0]]
            return settled(futures, FAILED), lambda _: _results(futures)
        if operation == "settled":
            return settled([self.futures[place] for place in args[0]], frozenset()), _same
        signal: Signal[Any] = concurrent.futures.Future()
        signal.set_result(getattr(self, "_" + operation)(*args))
        return signal, _same

    def _store(self, operation: str, *args: Any) -> Any:
        store = registry.shared(self._open()).store
        if operation not in store.operations:
            raise ValueError(f"there is no operation {operation!r}")
        return getattr(store, operation)(*args)

    def _log_event(self, topics: list[str], message: Any) -> None:
        log(self._open(), topics, message)

    def _events(self, topic: str | None) -> Any:
        return registry.shared(self._open()).events.events(topic)

    def _submit(self, call: bytes, options: dict[str, Any]) -> tuple[int, str]:
        function, args, kwargs = self._load(call)
        return self.known(self._open().submit(function, args, kwargs, **options))

    def _map(self, call: bytes, options: dict[str, Any]) -> list[tuple[int, str]]:
        function, iterables, kwargs = self._load(call)
        return [self.known(future) for future in self._open().map(function, iterables, kwargs, **options)]

    def _scatter(self, value: bytes, key: str | None) -> tuple[int, str]:
        return self.known(self._open().scatter(self._load(value), key=key))

    def _find(self, key: str) -> tuple[int, str] | None:
        future = self._open().find(key)
        return None if future is None else self.known(future)

    def _give_back(self, place: int) -> None:
        """Hold a future that a task returns, until its result is read."""
        future = self.futures[place]
        self.returned[future.key] = future

    def _borrow(self, key: Any) -> tuple[int, Any]:
        return self.known(lending.find(self._open(), key))

    def _run(self, call: bytes) -> list[tuple[int, str]]:
        return [self.known(future) for future in self._open().run(*self._load(call))]

    def _info(self) -> dict[str, Any]:
        return {**self._open().info(), "width": self._open().width}

    def _status(self, place: int) -> str:
        return self.futures[place].status

    def _failure(self, place: int) -> BaseException | None:
        return error_of(self.futures[place])

    def _cancel(self, place: int, force: bool, msg: str | None) -> bool:
        return self.futures[place].cancel(force=force, msg=msg)

    def _retry(self, place: int) -> None:
        self.futures[place].retry()

    def _running(self, place: int) -> bool:
        return self.futures[place].running()

    def _cancel_before_it_begins(self, place: int) -> bool:
        return self.futures[place]._cancel_before_it_begins()

    def _ask_to_stop(self, place: int) -> None:
        self.futures[place]._ask_to_stop()

    def _keep(self, place: int) -> None:
        self.futures[place].keep()

    def _open(self) -> Engine:
        engine = self._engine()
        if engine is None:
            raise ClosedClientError("the client has been closed")
        return engine

    def known(self, future: Future[Any]) -> tuple[int, Any]:
        """Let a worker process know of a future: return its number and its key."""
        place = next(self._numbers)
        self.futures[place] = future
        return place, future.key

    def _load(self, data: bytes) -> Any:
        with lending.answering(self):
            return pickle.loads(data)

    def _reply(self, reply: Callable[[bytes], object], value: Any = None, error: BaseException | None = None) -> None:
        try:
            with lending.answering(self):
                data = dumps((True, value)) if error is None else dumps((False, error))
        except Exception as unpicklable:
            data = pickle.dumps((False, TypeError(f"the answer can't be sent to a worker process: {unpicklable}")))
        reply(data)


def _same(value: Any) -> Any:
    return value


def _results(futures: list[Future[Any]]) -> list[Any]:
    for future in futures:
        error = error_of(future) if future.status in FAILED else None
        if error is not None:
            raise error
    return [result_of(future) for future in futures]
