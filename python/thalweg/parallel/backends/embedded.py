"""Our own engine: threads, or processes, of this program."""

from __future__ import annotations

import sys
from typing import Any

from thalweg._thalweg.parallel import Queue
from thalweg._thalweg.tasks import Engine
from thalweg.parallel.backends.base import Backend
from thalweg.parallel.backends.closing import until_delivered, wait_until_delivered
from thalweg.parallel.remote import BatchCall, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Arrival

__all__ = ["Embedded"]

#: Number of times that a batch is sent again after a process has died of it.
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
        if not isinstance(engine, Engine):
            self.queue: Any = Queue.of_transport(_Parent(engine))
        elif engine.kind == "threads":
            self.queue = Queue.of_threads(engine)
        else:
            self.queue = Queue.of_processes(engine)

    @property
    def width(self) -> int:
        """Number of calls it makes at a time."""
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


class _Parent:
    """The way to the engine that has started this worker process."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.width = int(engine.width)

    def send(self, call: BatchCall, done: Arrival, limit: float | None) -> None:
        """Have a batch worked on."""
        future = self._engine.submit(run, (call,), retries=_RETRIES, time_limit=limit)
        future.add_done_callback(lambda future: _arrive(future, done))


def _arrive(future: Any, done: Arrival) -> None:
    try:
        result = future.result()
    except BaseException as error:
        done(None, error)
    else:
        done(result, None)
