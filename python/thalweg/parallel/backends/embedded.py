"""Our own engine: threads, or processes, of this program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from thalweg._thalweg.parallel import Queue
from thalweg._thalweg.tasks import Engine
from thalweg.parallel.backends.base import Arrival, Backend
from thalweg.parallel.backends.closing import until_delivered, wait_until_delivered

__all__ = ["Embedded"]

#: How often a group is sent again whose process has ended under it.
_RETRIES = 2


class Embedded(Backend):
    """An engine of ours.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).gather().sink_to_list()
    >>> source.emit(3)
    >>> source.drain()
    >>> L
    [9]
    """

    can_stop = True

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        registry = sys.modules.get("thalweg.tasks.client.registry")
        if registry is not None:
            registry.shared(engine).streams.add(self)
        if isinstance(engine, Engine) and engine.kind == "threads":
            self.queue = Queue.of_threads(engine)
        # What a process has made stays there until it is wanted.
        self.is_remote = engine.kind == "processes"
        # Functions that fail are not tried again by this, for their failures are values: it is for processes that end.
        self._retries = _RETRIES if self.is_remote else 0

    @property
    def client(self) -> Any:
        """What `scatter` is given to get it."""
        return SimpleNamespace(_engine=self.engine)

    @property
    def width(self) -> int:
        """How many calls it makes at a time."""
        return max(1, int(self.engine.width))

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return bool(self.engine.closed)

    def wait_until_delivered(self, seconds: float) -> bool:
        """Block until all has been gathered, or the time is up: called before the engine is closed."""
        return wait_until_delivered(self, seconds)

    async def until_delivered(self, seconds: float) -> bool:
        """Wait until all has been gathered, or the time is up: called before the engine is closed."""
        return await until_delivered(self, seconds)

    def submit(self, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Any:
        """Have a function called, once the futures among the arguments are done."""
        return self.engine.submit(function, args, retries=self._retries, timeout=timeout)

    def when_done(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` when the call has been made."""
        if self.is_remote:
            future.add_done_callback(lambda done: _end(done, arrival))
        else:
            future._notify(lambda done: _arrive(done, arrival))

    def fetch(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` with what a call returned."""
        if self.is_remote:
            future._when_here(lambda done: _arrive(done, arrival))
        else:
            future._notify(lambda done: _arrive(done, arrival))


def _arrive(future: Any, arrival: Arrival) -> None:
    """Say what a future that is done has come to."""
    try:
        # Its own `result` may be to be awaited here.
        (result,) = future.engine.gather([future])
    except BaseException as error:
        arrival(None, error)
    else:
        arrival(result, None)


def _end(future: Any, arrival: Arrival) -> None:
    """Say whether a future that is done has failed."""
    if future.status == "finished":
        arrival(None, None)
    else:
        _arrive(future, arrival)
