"""The clients of this process, and the state shared by all clients of an engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, WeakValueDictionary, finalize, ref

from thalweg._thalweg.tasks import Engine, current_engine, is_worker
from thalweg.tasks.process import parent

if TYPE_CHECKING:
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.client.events import EventLog
    from thalweg.tasks.process.worker_requests import WorkerRequests
    from thalweg.tasks.sync.coordinator import Coordinator, RemoteCoordinator

#: The client of the context, as `Client.as_current` sets it.
current: ContextVar[Client | None] = ContextVar("thalweg-client", default=None)

#: The default clients, the latest last.
_defaults: list[ReferenceType[Client]] = []


class Makers:
    """Constructors of the parts that are created here; defined in :mod:`thalweg.tasks.assembly`."""

    client: Callable[[Engine], Client]
    connected: Callable[[str, Any], Client]
    coordinator: Callable[[Engine | None], Coordinator | RemoteCoordinator]
    events: Callable[[], EventLog]
    proxy: Callable[[], Any]
    requests: Callable[[Engine, Any], WorkerRequests]
    store: Callable[[Engine | None], Any]


makers = Makers()


class Shared:
    """State of an engine that all its clients share."""

    def __init__(self, engine: Engine) -> None:
        self.client: ReferenceType[Client] | None = None
        #: Resources that tasks may request.
        self.resources: Mapping[str, float] = {}
        #: The backends of streams on the engine: they deliver their elements in flight before it closes.
        self.streams: WeakSet[Any] = WeakSet()
        self._coordinator: Coordinator | RemoteCoordinator | None = None
        self._requests: WorkerRequests | None = None
        self._store: Any = None
        self._events: EventLog | None = None
        #: A directory shared with the workers, created when it is needed; removed with this object.
        self.workspace: Any = parent.workspace or parent.new_workspace()
        self._removal: Any = None
        if not is_worker():
            self.move_to(self.workspace)
        #: The plugins of workers, by name.
        self.plugins: dict[str, Any] = {}
        #: Number of workers asked for, if they are threads.
        self.asked_workers = 1
        #: Number of active recorders of task runs.
        self.recorders = 0
        #: Whether one of them is the client, which records from its first question on.
        self.records_all = False
        #: The chunks of persisted collections, by key.
        self.persisted: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        #: Key of its tasks' samples, once its profile has been requested.
        self.profile: str | None = None
        #: The worker that is this process.
        self.worker: Any = None
        self.lock: Any = RLock()
        # A weak reference: an engine that nobody holds is closed.
        self._engine = ref(engine)

    @property
    def coordinator(self) -> Coordinator | RemoteCoordinator:
        """The coordinator of the engine's locks and events."""
        with self.lock:
            if self._coordinator is None:
                self._coordinator = makers.coordinator(self._engine())
            return self._coordinator

    def move_to(self, workspace: str) -> None:
        """Share a directory with the workers."""
        if self._removal is not None:
            self._removal.detach()
        self.workspace = workspace
        self._removal = finalize(self, shutil.rmtree, workspace, ignore_errors=True)

    def hand_over(self, heir: Shared) -> None:
        """Pass on to the engine that replaces this one what belongs to no task."""
        heir._coordinator, heir._store, heir._events = self.coordinator, self.store, self.events
        heir.plugins = self.plugins
        heir.move_to(self.workspace)
        self.move_to(parent.new_workspace())

    @property
    def store(self) -> Any:
        """Metadata and data sets."""
        if self._store is None:
            self._store = makers.store(self._engine())
        return self._store

    @property
    def events(self) -> EventLog:
        """The log of events."""
        if self._events is None:
            with self.lock:
                self._events = self._events or makers.events()
        return self._events

    @property
    def requests(self) -> WorkerRequests | None:
        """Answers to worker processes' requests, once there was one."""
        return self._requests

    def answer(self, worker: int, question: bytes, reply: Callable[[bytes], None]) -> None:
        """Answer a numbered request of a worker process."""
        with self.lock:
            if self._requests is None:
                engine = self._engine()
                if engine is None:
                    return
                self._requests = makers.requests(engine, self.coordinator)
        self._requests.answer(worker, question, reply)

    def lose(self, worker: int) -> None:
        """Release what a dead worker process held."""
        if self._requests is not None:
            self._requests.lose(worker)

    def close(self) -> None:
        """Wake all that wait for something that will not happen any more."""
        if self._coordinator is not None and not is_worker():
            self._coordinator.close()  # type: ignore[union-attr]
        if self._requests is not None:
            self._requests.close()
        if not is_worker():
            shutil.rmtree(self.workspace, ignore_errors=True)


_shared: WeakKeyDictionary[Engine, Shared] = WeakKeyDictionary()
_open: WeakSet[Engine] = WeakSet()


def open_engines() -> list[Engine]:
    """Return the engines that have not been closed."""
    return [engine for engine in list(_open) if not engine.closed]


def shared(engine: Engine) -> Shared:
    """Return the shared state of an engine."""
    found = _shared.get(engine)
    if found is None:
        found = _shared.setdefault(engine, Shared(engine))
    return found


def started(
    engine: Engine,
    resources: Mapping[str, float],
    workers: int = 1,
    workspace: str | None = None,
    replaces: Engine | None = None,
) -> None:
    """Register an engine, to be closed at the end of the program at the latest."""
    _open.add(engine)
    mine = shared(engine)
    mine.resources = resources
    mine.asked_workers = workers
    if replaces is not None:
        shared(replaces).hand_over(mine)
    elif workspace is not None:
        mine.move_to(workspace)
    if "THALWEG_DASHBOARD" in os.environ:
        from thalweg.view.dashboard import serve_if_asked

        serve_if_asked()
    if engine.kind == "processes":
        engine.on_ask(mine.answer, mine.lose)


def replace(engine: Engine, start: Callable[[Engine], Engine]) -> Engine:
    """Cancel an engine's tasks, and start another in its place.

    Locks, variables, data sets, plugins and the like remain, except what dead workers held.
    """
    engine.close(replaced=True)
    if (requests := shared(engine).requests) is not None:
        requests.end()
    return start(engine)


def close(engine: Engine) -> None:
    """Close an engine, and wake all that wait for its tasks."""
    engine.close()
    shared(engine).close()


if hasattr(os, "register_at_fork"):
    # The threads that would close them, and the workers, belong to the parent process.
    os.register_at_fork(after_in_child=_open.clear)


def make_default(client: Client) -> None:
    """Make a client the default one."""
    _defaults.append(ref(client))


def forget(client: Client) -> None:
    """Stop a client from being the default one."""
    _defaults[:] = [each for each in _defaults if each() not in (None, client)]
    if current.get() is client:
        current.set(None)


def latest_default() -> Client | None:
    """Return the open client that last became the default."""
    while _defaults:
        client = _defaults[-1]()
        if client is not None and not client.closed:
            return client
        _defaults.pop()
    return None


def default_client(client: Client | None = None) -> Client:
    """Return the given client, or else the one to use by default.

    That is the one of the running task, the one of ``as_current``, or the one that last became the default.

    Raises
    ------
    ValueError
        There is none.

    Examples
    --------
    >>> from thalweg.tasks import Client, default_client
    >>> with Client() as client:
    ...     default_client() is client
    True
    """
    if client is not None and not hasattr(client, "_engine"):
        raise TypeError(f"client: a Client, and not {client!r}")
    found = client or _of_task() or current.get() or latest_default()
    if found is None:
        raise ValueError("there is no client: make one by `Client()` first")
    return found


def engine_with(workspace: str) -> Engine | None:
    """Return the open engine whose workers share that directory; in a worker process, the proxy of its own."""
    if is_worker() and workspace == parent.workspace:
        return task_engine()
    return next((engine for engine in open_engines() if shared(engine).workspace == workspace), None)


def client_of(engine: Engine) -> Client:
    """Return a referenced client of an engine, or else a new one for it."""
    mine = shared(engine)
    client = None if mine.client is None else mine.client()
    if client is None:
        client = makers.client(engine)
    return client


def task_engine() -> Engine | None:
    """Return the engine of the running task; in a worker process, a proxy of it."""
    if is_worker():
        proxy: Engine = makers.proxy()
        return proxy
    return current_engine()


def _of_task() -> Client | None:
    engine = task_engine()
    return None if engine is None else client_of(engine)
