"""The part of the client for events: messages under topics, which tasks and clients log and subscribe to."""

from __future__ import annotations

import builtins
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

from thalweg._thalweg.tasks import is_worker
from thalweg.tasks.client import registry
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.waiting import either

__all__ = ["EventLog", "Events", "print", "warn"]

#: Number of events remembered per topic.
_REMEMBERED = 10_000

Handler = Callable[[tuple[float, Any]], Any]


class EventLog:
    """The events of an engine, in the process that has its client.

    Examples
    --------
    >>> from thalweg.tasks.client.events import EventLog
    >>> log = EventLog()
    >>> log.add("news", 1)
    []
    >>> [message for when, message in log.events("news")]
    [1]
    """

    def __init__(self) -> None:
        self._events: dict[str, deque[tuple[float, Any]]] = {}
        self._handlers: dict[str, list[Handler]] = {"print": [_print], "warn": [_warn]}
        self._lock = Lock()

    def add(self, topic: str, message: Any) -> list[Callable[[], Any]]:
        """Store an event, and return the calls of its subscribers' handlers."""
        event = (time.time(), message)
        with self._lock:
            self._events.setdefault(topic, deque(maxlen=_REMEMBERED)).append(event)
            return [partial(handler, event) for handler in self._handlers.get(topic, ())]

    def events(self, topic: str | None = None) -> Any:
        """Return the events of a topic, or those of all topics by topic."""
        with self._lock:
            if topic is not None:
                return tuple(self._events.get(topic, ()))
            return {each: tuple(events) for each, events in self._events.items()}

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Call a handler with each future event of a topic."""
        with self._lock:
            self._handlers[topic] = [handler]

    def unsubscribe(self, topic: str) -> None:
        """Remove the handler of a topic."""
        with self._lock:
            if not self._handlers.pop(topic, None):
                raise ValueError(f"unsubscribe_topic: nobody has subscribed to {topic!r}")


class Events(Base):
    """Logs events, and passes them to subscribers."""

    def log_event(self, topic: str | list[str], msg: Any) -> Any:
        """Log a message under a topic, or several: it is passed to their subscribers.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.log_event("progress", {"done": 5})
        ...     [message for when, message in client.get_events("progress")]
        [{'done': 5}]
        """
        if not hasattr(topic, "__iter__"):
            raise TypeError(f"log_event: `topic`: text, or a list of texts, not {topic!r}")
        return either(self.asynchronous, self._log_event, [topic] if isinstance(topic, str) else list(topic), msg)

    def _log_event(self, topics: list[str], message: Any) -> None:
        log(self._engine, topics, message)

    def get_events(self, topic: str | None = None) -> Any:
        """Return the events of a topic as pairs of the time, in seconds since 1970, and the message; or those of all
        topics. The last 10,000 of each are kept.
        """
        return either(self.asynchronous, self._get_events, topic)

    def _get_events(self, topic: str | None) -> Any:
        if is_worker():
            return self._engine.events(topic)  # type: ignore[attr-defined]
        return registry.shared(self._engine).events.events(topic)

    def subscribe_topic(self, topic: str, handler: Handler) -> Any:
        """Have ``handler((time, message))`` called with each future event of a topic, on a thread that may block.

        It replaces another handler of the topic. An asynchronous handler runs on the client's loop.

        Examples
        --------
        >>> import threading
        >>> from thalweg.tasks import Client, get_worker
        >>> told = threading.Event()
        >>> with Client() as client:
        ...     client.subscribe_topic("news", lambda event: told.set())
        ...     client.submit(lambda: get_worker().log_event("news", 5)).result()
        ...     told.wait(60)
        True
        """
        return either(self.asynchronous, self._subscribe, topic, handler)

    def _subscribe(self, topic: str, handler: Handler) -> None:
        if is_worker():
            raise RuntimeError("subscribe_topic: a task in a worker process can log events, and not hear of them")
        registry.shared(self._engine).events.subscribe(topic, handler)

    def unsubscribe_topic(self, topic: str) -> Any:
        """Remove the handler of a topic.

        Raises
        ------
        ValueError
            There was none.
        """
        return either(self.asynchronous, lambda: registry.shared(self._engine).events.unsubscribe(topic))


def log(engine: Any, topics: list[str], message: Any) -> None:
    """Log an event of an engine, wherever its client is."""
    if is_worker():
        engine.log_event(topics, message)
        return
    for topic in topics:
        for call in registry.shared(engine).events.add(topic, message):
            engine.call_soon(partial(_call, call))


def _call(handler: Callable[[], Any]) -> None:
    returned = handler()
    if hasattr(returned, "__await__"):
        from thalweg.runtime import loops

        async def wait() -> None:
            await returned

        import asyncio

        asyncio.run_coroutine_threadsafe(wait(), loops.find(False))


def _print(event: tuple[float, Any]) -> None:
    _, (text, error) = event
    stream = sys.stderr if error else sys.stdout
    stream.write(text)
    stream.flush()


def _warn(event: tuple[float, Any]) -> None:
    _, (message, category) = event
    warnings.warn(message, category, stacklevel=2)


def print(*values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False) -> None:
    """Print, in the client's process if called in a task of another process.

    Examples
    --------
    >>> from thalweg.tasks.client.events import print
    >>> print("where the program is", 1)
    where the program is 1
    """
    if not is_worker() or file not in (None, sys.stdout, sys.stderr):
        builtins.print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
    log(registry.task_engine(), ["print"], (text, file is sys.stderr))


def warn(message: str | Warning, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
    """Warn as ``warnings.warn`` does, in the client's process if called in a task of another process.

    Examples
    --------
    >>> import warnings
    >>> from thalweg.tasks.client.events import warn
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("low on fuel")
    >>> str(caught[0].message)
    'low on fuel'
    """
    if is_worker():
        log(registry.task_engine(), ["warn"], (message, category))
    else:
        warnings.warn(message, category, stacklevel + 1)
