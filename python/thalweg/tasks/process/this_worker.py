"""The worker, as its tasks see it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import ref

from thalweg.tasks.client import registry

if TYPE_CHECKING:
    from thalweg.tasks.client.client import Client

__all__ = ["Worker"]


class Worker:
    """A worker, as its tasks see it. Attributes set by tasks stay as long as it lives.

    Attributes
    ----------
    pid:
        The id of its process.
    plugins:
        The plugins that have been set up, by name.
    """

    def __init__(self, engine: Any) -> None:
        self.pid: int = os.getpid()
        # An engine that nobody holds is closed.
        self._engine = ref(engine)
        self._known: dict[str, Any] | None = None
        #: The plugins that have been set up, by name.
        self.plugins: dict[str, Any] = {}
        #: The actors that live here, each with a lock for one call at a time.
        self.actors: dict[str, Any] = {}

    def _info(self) -> dict[str, Any]:
        if self._known is None:
            engine = self._engine()
            workers = [] if engine is None else engine.info()["workers"]
            found = [worker for worker in workers if worker["pid"] == self.pid]
            self._known = found[0] if found else {"id": 0, "threads": 1}
        return self._known

    @property
    def name(self) -> int:
        """Its number among the client's workers."""
        number: int = self._info()["id"]
        return number

    @property
    def nthreads(self) -> int:
        """Number of tasks that it runs at a time."""
        threads: int = self._info()["threads"]
        return threads

    @property
    def id(self) -> str:
        """Unique id."""
        return f"{self.pid}-{self.name}"

    @property
    def address(self) -> str:
        """Address as a name; nothing listens there."""
        return f"inproc://{self.pid}/{self.name}"

    worker_address = address

    @property
    def local_directory(self) -> str:
        """The directory of uploaded files."""
        engine = self._engine()
        return "" if engine is None else registry.shared(engine).workspace

    @property
    def client(self) -> Client:
        """The client of the task."""
        return registry.default_client()

    @property
    def loop(self) -> Any:
        """An event loop on a separate thread."""
        return self.client.loop

    def log_event(self, topic: str | list[str], msg: Any) -> None:
        """Log an event under a topic, as `Client.log_event` does."""
        self.client.log_event(topic, msg)

    def __repr__(self) -> str:
        return f"<Worker: {self.id}>"
