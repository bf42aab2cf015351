"""Named states and waiting requests, the basis of locks, events, semaphores, queues and variables.

A request is a signal: a thread or an event loop waits for it, or a worker process is told about it. It can be
cancelled. There is one coordinator per engine, in the process that started it. In a worker process `RemoteCoordinator`
forwards requests. When a worker process dies, its waiting requests are cancelled, and what it holds is released.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from itertools import count
from threading import Lock
from typing import Any, ClassVar, NamedTuple, Protocol

from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.sync.signals import Signal

__all__ = ["Asker", "Coordinates", "Coordinator", "RemoteCoordinator", "Request", "State", "Waiting"]

Answer = Signal


class Asker(NamedTuple):
    """Owner of a request: the task in a worker process that made it.

    Examples
    --------
    >>> from thalweg.tasks.sync.coordinator import Asker
    >>> Asker(worker=1, request=2)
    Asker(worker=1, request=2)
    """

    #: The number of the worker; each one started has its own.
    worker: int
    #: The number of the request among those of that worker.
    request: int


class Request(Signal[Any]):
    """A requested operation of a state.

    Examples
    --------
    >>> from thalweg.tasks.sync.coordinator import Request
    >>> Request("lock", "a", "acquire", (True,)).worker is None
    True
    """

    def __init__(self, kind: str, name: str, operation: str, args: tuple[Any, ...], asker: Asker | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.name = name
        self.operation = operation
        self.args = args
        self.asker = asker

    @property
    def worker(self) -> int | None:
        """The number of the requesting worker process; None for this process."""
        return None if self.asker is None else self.asker.worker


class Waiting:
    """Waiting requests, in order. A cancelled one is removed at once.

    Examples
    --------
    >>> from thalweg.tasks.sync.coordinator import Request, Waiting
    >>> waiting = Waiting()
    >>> first, second = Request("lock", "a", "acquire", ()), Request("lock", "a", "acquire", ())
    >>> waiting.add(first)
    >>> waiting.add(second)
    >>> first.cancel()
    True
    >>> waiting.answer_first("yours") is second
    True
    >>> second.result(), waiting.answer_first("nobody's")
    ('yours', None)
    """

    def __init__(self) -> None:
        # A plain dictionary would take longer and longer to find the first.
        self._requests: OrderedDict[Request, None] = OrderedDict()

    def add(self, request: Request) -> None:
        """Add a request."""
        self._requests[request] = None
        # Removed by the cancelling thread without a lock: the dictionary has its own.
        request.add_done_callback(lambda request: self._requests.pop(request, None))  # type: ignore[call-overload]

    def first(self) -> Request | None:
        """Return the first request; None if there is none."""
        try:
            return next(iter(self._requests), None)
        except RuntimeError:
            # One was cancelled meanwhile.
            return self.first()

    def all(self) -> list[Request]:
        """Return all requests."""
        try:
            return list(self._requests)
        except RuntimeError:
            # One was cancelled meanwhile.
            return self.all()

    def discard(self, request: Request) -> None:
        """Remove a request."""
        self._requests.pop(request, None)

    def answer_first(self, value: Any = None) -> Request | None:
        """Answer the first request, and return it; None if there is none."""
        while (request := self.pop()) is not None:
            if answer(request, value):
                return request
        return None

    def answer_all(self, value: Any = None) -> None:
        """Answer all requests."""
        while self.answer_first(value) is not None:
            pass

    def pop(self) -> Request | None:
        """Take the first request; None if there is none."""
        try:
            return self._requests.popitem(last=False)[0]
        except KeyError:
            return None

    def __len__(self) -> int:
        return len(self._requests)


class Coordinates(Protocol):
    """Answers requests to named states."""

    def ask(self, kind: str, name: str, operation: str, *args: Any) -> Answer[Any]:
        """Request an operation of a state; the answer may come later."""


class State:
    """A named object shared by several tasks. Its methods run one at a time.

    They are called with the request to answer: at once, or in a later call for another one.
    """

    kinds: ClassVar[dict[str, type[State]]] = {}
    #: Operations whose answer removes something: a worker process confirms that it has arrived.
    acknowledged: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, kind: str) -> None:
        cls.kinds[kind] = cls

    def lost(self, worker: int) -> None:
        """Release what a dead worker process held. Its waiting requests have been cancelled."""


def _kind(name: str) -> type[State]:
    if name not in State.kinds:
        # A worker process may be the first to ask for one.
        import_module(f"thalweg.tasks.sync.{name}")
    return State.kinds[name]


def answer(request: Request, value: Any = None) -> bool:
    """Answer a request; False if nobody waits for it any more."""
    return request.answer(value)


class Coordinator:
    """Keeps the named states of an engine.

    Examples
    --------
    >>> from thalweg.tasks.sync.coordinator import Coordinator
    >>> coordinator = Coordinator()
    >>> waiting = coordinator.ask("event", "ready", "wait")
    >>> waiting.done()
    False
    >>> coordinator.ask("event", "ready", "set").result()
    >>> waiting.done()
    True
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], State] = {}
        #: In order of arrival.
        self._waiting: dict[Request, None] = {}
        self._lost: set[int] = set()
        self._is_closed = False
        self._lock = Lock()
        #: The process it belongs to. A fork of it has a copy that nobody else sees.
        self._process = os.getpid()

    def ask(self, kind: str, name: str, operation: str, *args: Any, asker: Asker | None = None) -> Answer[Any]:
        """Request an operation of a state; the answer may come later.

        Raises
        ------
        RuntimeError
            The process is a fork of the client's.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                f"{kind} {name!r} belongs to a client of process {self._process}, which has forked this one, "
                f"{os.getpid()}: make a client in this process"
            )
        request = Request(kind, name, operation, args, asker)
        with self._lock:
            if request.worker in self._lost:
                # Its request was read after its death had been noticed.
                request.cancel()
            elif operation == "forget":
                self._forget(kind, name)
                request.answer(None)
            else:
                self._do(request)
            if not request.done():
                self._waiting[request] = None
                request.add_done_callback(self._has_ended)
        if self._is_closed:
            _close(request)
        return request

    def _has_ended(self, request: Answer[Any]) -> None:
        self._waiting.pop(request, None)  # type: ignore[call-overload]

    def _do(self, request: Request) -> None:
        key = (request.kind, request.name)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _kind(request.kind)()
        try:
            getattr(state, request.operation)(request, *request.args)
        except Exception as error:
            request.fail(error)

    def _forget(self, kind: str, name: str) -> None:
        """Forget a state. Waiting requests wait for the next one of that name."""
        self._states.pop((kind, name), None)
        for request in list(self._waiting):
            if (request.kind, request.name) == (kind, name) and not request.done():
                self._do(request)

    def lose(self, worker: int) -> None:
        """Release what a dead worker process held, and cancel its requests.

        Examples
        --------
        >>> from thalweg.tasks.sync.coordinator import Asker, Coordinator
        >>> coordinator = Coordinator()
        >>> coordinator.ask("lock", "a", "acquire", asker=Asker(worker=1, request=1)).result()
        True
        >>> waiting = coordinator.ask("lock", "a", "acquire")
        >>> coordinator.lose(1)
        >>> waiting.result()
        True
        """
        with self._lock:
            self._lost.add(worker)
            for request in list(self._waiting):
                if request.worker == worker:
                    request.cancel()
            for state in list(self._states.values()):
                state.lost(worker)

    def close(self) -> None:
        """Cancel all requests: there is no client any more."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._is_closed = True
            waiting = list(self._waiting)
        for request in waiting:
            _close(request)


def _close(request: Request) -> None:
    request.fail(ClosedClientError("the client was closed while something waited"))


class RemoteCoordinator:
    """Forwards requests to the coordinator of the process that has started this one.

    Parameters
    ----------
    ask
        Requests an operation there, and returns the answer.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._numbers = count(1)

    def ask(self, kind: str, name: str, operation: str, *args: Any, seconds: float | None = None) -> Answer[Any]:
        """Send a request to the parent, and wait for its answer."""
        request: Answer[Any] = Signal()
        number = next(self._numbers)
        try:
            value = self._ask(number, kind, name, operation, *args, seconds=seconds)
            if operation in _kind(kind).acknowledged:
                self._ask(number, kind, name, "has_come")
            request.answer(value)
        except Exception as error:
            request.fail(error)
        return request
