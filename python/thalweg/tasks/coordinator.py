"""What locks, events, semaphores, queues and variables are made of: named states, and requests that wait.

A request is answered by a future of `concurrent.futures`: a thread waits for it, an event loop does, or a worker
process is told about it. Whoever does not want to wait any more cancels it. There is one coordinator for each engine,
in the process that started it. In a worker process `RemoteCoordinator` forwards what is asked.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Lock
from typing import Any, ClassVar, Protocol

from thalweg.tasks.errors import ClosedClientError

__all__ = ["Coordinates", "Coordinator", "RemoteCoordinator", "State"]

Answer = Future


class Coordinates(Protocol):
    """Answers requests to named states."""

    def ask(self, kind: str, name: str, operation: str, *args: Any) -> Answer[Any]:
        """Ask a state to do something; the answer may come later."""


class State:
    """Something with a name that several tasks share. Its methods run one at a time.

    They are called with the request to answer: at once, or in a later call of another one.
    """

    kinds: ClassVar[dict[str, type[State]]] = {}

    def __init_subclass__(cls, kind: str) -> None:
        cls.kinds[kind] = cls


def _kind(name: str) -> type[State]:
    if name not in State.kinds:
        # A worker process may be the first to ask for one.
        import_module(f"thalweg.tasks.{name}")
    return State.kinds[name]


def answer(request: Answer[Any], value: Any = None) -> bool:
    """Answer a request; False if nobody waits for it any more."""
    if not request.set_running_or_notify_cancel():
        return False
    request.set_result(value)
    return True


def answer_first(requests: deque[Answer[Any]], value: Any = None) -> bool:
    """Answer the first request of those that still wait; False if none does."""
    while requests:
        if answer(requests.popleft(), value):
            return True
    return False


class Coordinator:
    """Keeps the named states of an engine.

    Examples
    --------
    >>> from thalweg.tasks.coordinator import Coordinator
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
        self._waiting: set[Answer[Any]] = set()
        self._lock = Lock()
        #: The process that asks and answers. One that was forked off it has a copy that nobody else sees.
        self._process = os.getpid()

    def ask(self, kind: str, name: str, operation: str, *args: Any) -> Answer[Any]:
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
        request: Answer[Any] = Future()
        with self._lock:
            if operation == "forget":
                self._states.pop((kind, name), None)
                request.set_result(None)
                return request
            state = self._states.get((kind, name))
            if state is None:
                state = self._states[kind, name] = _kind(kind)()
            try:
                getattr(state, operation)(request, *args)
            except Exception as error:
                request.set_exception(error)
        if not request.done():
            self._waiting.add(request)
            request.add_done_callback(self._waiting.discard)
        return request

    def close(self) -> None:
        """Let nobody wait any longer: there is no client any more."""
        if os.getpid() != self._process:
            return
        for request in list(self._waiting):
            if request.set_running_or_notify_cancel():
                request.set_exception(ClosedClientError("the client was closed while something waited"))


class RemoteCoordinator:
    """Forwards requests to the coordinator of the process that has started this one.

    Parameters
    ----------
    ask
        Asks there for an operation, and returns the answer, whenever it comes.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def ask(self, kind: str, name: str, operation: str, *args: Any, seconds: float | None = None) -> Answer[Any]:
        """Ask the parent, and wait for its answer."""
        request: Answer[Any] = Future()
        try:
            request.set_result(self._ask("state", kind, name, operation, *args, seconds=seconds))
        except Exception as error:
            request.set_exception(error)
        return request
