"""Requests of tasks in worker processes: each says how the parent answers it.

A future is referred to by the number that the worker knows it by.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from thalweg.tasks.client import registry
from thalweg.tasks.client.events import log
from thalweg.tasks.client.waiting import FAILED, error_of, result_of, settled
from thalweg.tasks.process import lending
from thalweg.tasks.process.pickling import sendable
from thalweg.tasks.sync.coordinator import Asker

if TYPE_CHECKING:
    from collections.abc import Callable

    from thalweg._thalweg.tasks import Future
    from thalweg.tasks.process.worker_requests import Known, WorkerRequests
    from thalweg.tasks.sync.signals import Signal

R_co = TypeVar("R_co", covariant=True)


class Later(NamedTuple):
    """An answer that is there when a signal comes."""

    signal: Signal[Any]
    #: Makes the answer of what the signal brings, on a thread that may block.
    then: Callable[[Any], Any] = lambda value: value


class Request(Protocol[R_co]):
    """Something that the parent is asked for, with an answer of a type."""

    def answer(self, requests: WorkerRequests, known: Known) -> R_co | Later:
        """Answer it: `known` is what the worker knows of."""


#: How a future is named: the worker's number of it, and its key.
Named = tuple[int, Any]


class Submit(NamedTuple):
    """Run a function."""

    call: bytes
    options: dict[str, Any]

    def answer(self, requests: WorkerRequests, known: Known) -> Named:
        """Return the future's name."""
        function, args, kwargs = known.load(self.call)
        engine, key = requests.engine, self.options.get("key")
        is_own = key is None or engine.find(key) is None
        return known.add(engine.submit(function, args, kwargs, **self.options), is_own=is_own)


class Map(NamedTuple):
    """Run a function on each element."""

    call: bytes
    options: dict[str, Any]

    def answer(self, requests: WorkerRequests, known: Known) -> list[Named]:
        """Return the futures' names."""
        function, iterables, kwargs = known.load(self.call)
        futures = requests.engine.map(function, iterables, kwargs, **self.options)
        return [known.add(future, is_own=True) for future in futures]


class Run(NamedTuple):
    """Run a function on each worker."""

    call: bytes

    def answer(self, requests: WorkerRequests, known: Known) -> list[Named]:
        """Return the futures' names."""
        return [known.add(future, is_own=True) for future in requests.engine.run(*known.load(self.call))]


class Scatter(NamedTuple):
    """Make a future of a value."""

    value: bytes
    key: str | None

    def answer(self, requests: WorkerRequests, known: Known) -> Named:
        """Return the future's name."""
        return known.add(requests.engine.scatter(known.load(self.value), key=self.key))


class Find(NamedTuple):
    """Find a live task by its key."""

    key: str

    def answer(self, requests: WorkerRequests, known: Known) -> Named | None:
        """Return the future's name, if there is one."""
        future = requests.engine.find(self.key)
        return None if future is None else known.add(future)


class Borrow(NamedTuple):
    """Find a live task by its key, also one that was not named."""

    key: Any

    def answer(self, requests: WorkerRequests, known: Known) -> Named:
        """Return the future's name."""
        return known.add(lending.find(requests.engine, self.key))


class GiveBack(NamedTuple):
    """Hold a future that a task returns, until its result is read."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Hold it."""
        future = known.futures[self.place]
        requests.returned[future.key] = future


class Gather(NamedTuple):
    """Wait for results."""

    places: list[int]

    def answer(self, requests: WorkerRequests, known: Known) -> list[Any] | Later:
        """Return the results when all are there, or the first has failed."""
        futures = [known.futures[place] for place in self.places]
        return Later(settled(futures, FAILED), lambda _: _results(futures))


class Settle(NamedTuple):
    """Wait until tasks have ended, one way or the other."""

    places: list[int]

    def answer(self, requests: WorkerRequests, known: Known) -> Later | None:
        """Return nothing, when they have."""
        return Later(settled([known.futures[place] for place in self.places], frozenset()), lambda _: None)


class Watch(NamedTuple):
    """Have `Ended` tell when a task has ended."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Watch it."""
        known.watch(self.place)


class Ended(NamedTuple):
    """Wait until watched tasks have ended."""

    def answer(self, requests: WorkerRequests, known: Known) -> Later:
        """Return the places of those that have."""
        return Later(known.next_ended(), lambda _: known.take_ended())


class Status(NamedTuple):
    """Say how a task is."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> str:
        """Return its status."""
        return known.futures[self.place].status


class Failure(NamedTuple):
    """Say what a task has raised."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> Any:
        """Return it, as it is sent."""
        error = error_of(known.futures[self.place])
        return None if error is None else sendable(error)


class IsRunning(NamedTuple):
    """Say whether a task has begun, and has not ended."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> bool:
        """Return whether."""
        return known.futures[self.place].running()


class Cancel(NamedTuple):
    """Cancel a task."""

    place: int
    force: bool
    message: str | None

    def answer(self, requests: WorkerRequests, known: Known) -> bool:
        """Return whether it is."""
        return known.futures[self.place].cancel(force=self.force, msg=self.message)


class CancelBeforeItBegins(NamedTuple):
    """Cancel a task that has not begun."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> bool:
        """Return whether it is."""
        return known.futures[self.place]._cancel_before_it_begins()


class AskToStop(NamedTuple):
    """Tell a task by its token that it is to end."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Tell it."""
        known.futures[self.place]._ask_to_stop()


class Retry(NamedTuple):
    """Run a failed task again."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Run it."""
        known.futures[self.place].retry()


class Keep(NamedTuple):
    """Let a task run to its end also if nobody holds the future."""

    place: int

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Let it."""
        known.futures[self.place].keep()


class Detach(NamedTuple):
    """The same for tasks that closing the engine waits for."""

    places: list[int]

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Let them."""
        for place in self.places:
            known.futures[place].detach()


class Info(NamedTuple):
    """Say what the workers do."""

    def answer(self, requests: WorkerRequests, known: Known) -> dict[str, Any]:
        """Return it, and how many tasks run at once."""
        return {**requests.engine.info(), "width": requests.engine.width}


class UseState(NamedTuple):
    """Use a lock, an event or another state that tasks share."""

    number: int
    kind: str
    name: str
    operation: str
    args: tuple[Any, ...]

    def answer(self, requests: WorkerRequests, known: Known) -> Any:
        """Return what the operation gives, when it does."""
        asker = Asker(known.worker, self.number)
        return Later(requests.coordinator.ask(self.kind, self.name, self.operation, *self.args, asker=asker))


class UseStore(NamedTuple):
    """Use the store of metadata and data sets."""

    operation: str
    args: tuple[Any, ...]

    def answer(self, requests: WorkerRequests, known: Known) -> Any:
        """Return what the operation gives."""
        store = registry.shared(requests.engine).store
        if self.operation not in store.operations:
            raise ValueError(f"there is no operation {self.operation!r}")
        return getattr(store, self.operation)(*self.args)


class LogEvent(NamedTuple):
    """Log an event."""

    topics: list[str]
    message: Any

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Log it."""
        log(requests.engine, self.topics, self.message)


class LogRecord(NamedTuple):
    """Handle what a worker has logged."""

    attributes: dict[str, Any]

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Give it to the logger of the same name."""
        worker = _worker(requests, known, self.attributes["process"])
        record = logging.makeLogRecord({**self.attributes, "worker": worker, "processName": worker})
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


class Output(NamedTuple):
    """Write what a worker has printed."""

    pid: int
    lines: str
    is_error: bool

    def answer(self, requests: WorkerRequests, known: Known) -> None:
        """Write it, each line with the worker before it."""
        worker = _worker(requests, known, self.pid)
        stream = sys.stderr if self.is_error else sys.stdout
        if stream is not None:
            stream.write("".join(f"{worker} | {line}\n" for line in self.lines.split("\n")))
            stream.flush()


def _worker(requests: WorkerRequests, known: Known, pid: int) -> str:
    if known.place is None:
        places = {worker["pid"]: worker["id"] for worker in requests.engine.info()["workers"]}
        known.place = places.get(pid)
    return f"process {pid}" if known.place is None else f"worker {known.place}"


class Events(NamedTuple):
    """Return the events that were logged."""

    topic: str | None

    def answer(self, requests: WorkerRequests, known: Known) -> Any:
        """Return those of a topic, or all by their topics."""
        return registry.shared(requests.engine).events.events(self.topic)


def _results(futures: list[Future[Any]]) -> list[Any]:
    for future in futures:
        error = error_of(future) if future.status in FAILED else None
        if error is not None:
            raise error
    return [result_of(future) for future in futures]


#: What is answered when something has happened.
WAITING = (Gather, Settle, Ended, UseState)
