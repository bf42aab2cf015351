"""Named states and waiting requests, of which locks, events, semaphores, queues and variables are made.

A request is a signal: a thread waits for it, an event loop does, or a worker process is told
about it. Whoever does not want to wait any more cancels it. There is one coordinator for each engine, in the process
that started it. In a worker process `RemoteCoordinator` forwards what is asked. The requests of a worker process are
its own: when it dies, those that wait are cancelled, and what it holds is given back.
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

    #: The number of the worker; each that is started has another.
    worker: int
    #: The number of the request among those of that worker.
    request: int


class Request(Signal[Any]):
    """Something that a state has been asked to do.

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
        """The number of the worker process that asks; None: it is this process."""
        return None if self.asker is None else self.asker.worker


class Waiting:
    """Requests that wait, in order. One that is cancelled goes at once.

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
        """Let a request wait."""
        self._requests[request] = None
        # It is taken out by whoever cancels it, without a lock: the dictionary has its own.
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
        """Let a request wait no longer."""
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
        """Take the first request out; None if there is none."""
        try:
            return self._requests.popitem(last=False)[0]
        except KeyError:
            return None

    def __len__(self) -> int:
        return len(self._requests)


class Coordinates(Protocol):
    """Answers requests to named states."""

    def ask(self, kind: str, name: str, operation: str, *args: Any) -> Answer[Any]:
        """Ask a state to do something; the answer may come later."""


class State:
    """Something with a name that several tasks share. Its methods run one at a time.

    They are called with the request to answer: at once, or in a later call of another one.
    """

    kinds: ClassVar[dict[str, type[State]]] = {}
    #: Operations whose answer takes something out: whoever asks from a worker process says that it has come.
    acknowledged: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, kind: str) -> None:
        cls.kinds[kind] = cls

    def lost(self, worker: int) -> None:
        """Give back what a worker process held that has died. Its requests that waited have been cancelled."""


def _kind(name: str) -> type[State]:
    if name not in State.kinds:
        # A worker process may be the first to ask for one.
        import_module(f"thalweg.tasks.{name}")
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
        #: In the order in which they came.
        self._waiting: dict[Request, None] = {}
        self._lost: set[int] = set()
        self._is_closed = False
        self._lock = Lock()
        #: The process that asks and answers. One that was forked off it has a copy that nobody else sees.
        self._process = os.getpid()

    def ask(self, kind: str, name: str, operation: str, *args: Any, asker: Asker | None = None) -> Answer[Any]:
        """Ask a state to do something; the answer may come later.

        Raises
        ------
        RuntimeError
            The process was forked off the client's.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                f"{kind} {name!r} belongs to a client of process {self._process}, which has forked this one, "
                f"{os.getpid()}: make a client in this process"
            )
        request = Request(kind, name, operation, args, asker)
        with self._lock:
            if request.worker in self._lost:
                # Its question was read after its death had been noticed.
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
        """Forget a state. Those who wait wait for the next of that name."""
        self._states.pop((kind, name), None)
        for request in list(self._waiting):
            if (request.kind, request.name) == (kind, name) and not request.done():
                self._do(request)

    def lose(self, worker: int) -> None:
        """Give back what a worker process held that has died, and let it wait for nothing.

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
        """Let nobody wait any longer: there is no client any more."""
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
        Asks there for an operation, and returns the answer, whenever it comes.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._numbers = count(1)

    def ask(self, kind: str, name: str, operation: str, *args: Any, seconds: float | None = None) -> Answer[Any]:
        """Ask the parent, and wait for its answer."""
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
