"""The clients of this process, and the state that all clients of one engine share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, WeakValueDictionary, finalize, ref

from thalweg._thalweg.tasks import Engine, current_engine, is_worker, wait_for_threads
from thalweg.runtime import program_end
from thalweg.tasks.process import parent

if TYPE_CHECKING:
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.client.events import EventLog
    from thalweg.tasks.process.worker_requests import WorkerRequests
    from thalweg.tasks.sync.coordinator import Coordinator, RemoteCoordinator

#: The client of the context, as `Client.as_current` sets it.
current: ContextVar[Client | None] = ContextVar("thalweg-client", default=None)

#: The clients that took it upon themselves to be the default, the latest last.
_defaults: list[ReferenceType[Client]] = []


class Makers:
    """What makes the parts that are handed out here: :mod:`thalweg.tasks.assembly` has them."""

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
        #: Resources that tasks may ask for.
        self.resources: Mapping[str, float] = {}
        #: The backends that streams on the engine have: they deliver what is on its way before it closes.
        self.streams: WeakSet[Any] = WeakSet()
        self._coordinator: Coordinator | RemoteCoordinator | None = None
        self._requests: WorkerRequests | None = None
        self._store: Any = None
        self._events: EventLog | None = None
        #: A directory that workers share, once there is something in it; it goes with this.
        self.workspace: Any = parent.workspace or parent.new_workspace()
        if not is_worker():
            finalize(self, shutil.rmtree, self.workspace, ignore_errors=True)
        #: The plugins that workers have, by their names.
        self.plugins: dict[str, Any] = {}
        #: Number of workers asked for, if they are threads.
        self.asked_workers = 1
        #: Number of recorders of which tasks run, and when.
        self.recorders = 0
        #: Whether one of them is the client, which wants to know from its first question on.
        self.records_all = False
        #: The chunks of persisted collections, by their keys.
        self.persisted: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        #: Key of its tasks' samples, once somebody has asked for its profile.
        self.profile: str | None = None
        #: The worker that is this process.
        self.worker: Any = None
        self.lock: Any = RLock()
        # Not a strong reference: an engine nobody holds closes.
        self._engine = ref(engine)

    @property
    def coordinator(self) -> Coordinator | RemoteCoordinator:
        """The coordinator of the engine's locks and events."""
        with self.lock:
            if self._coordinator is None:
                self._coordinator = makers.coordinator(self._engine())
            return self._coordinator

    def move_to(self, workspace: str) -> None:
        """Use a directory that the workers know of."""
        self.workspace = workspace
        finalize(self, shutil.rmtree, workspace, ignore_errors=True)

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
        """Answer a question of a worker process, which has a number."""
        with self.lock:
            if self._requests is None:
                engine = self._engine()
                if engine is None:
                    return
                self._requests = makers.requests(engine, self.coordinator)
        self._requests.answer(worker, question, reply)

    def lose(self, worker: int) -> None:
        """Give back what a worker process had that has died."""
        if self._requests is not None:
            self._requests.lose(worker)

    def close(self) -> None:
        """Let nobody wait for what will not come any more."""
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
    """Return what belongs to an engine."""
    found = _shared.get(engine)
    if found is None:
        found = _shared.setdefault(engine, Shared(engine))
    return found


def started(engine: Engine, resources: Mapping[str, float], workers: int = 1, workspace: str | None = None) -> None:
    """Note an engine that is to be closed when the program ends, if not before."""
    _open.add(engine)
    mine = shared(engine)
    mine.resources = resources
    mine.asked_workers = workers
    if workspace is not None:
        mine.move_to(workspace)
    if "THALWEG_DASHBOARD" in os.environ:
        from thalweg.view.dashboard import serve_if_asked

        serve_if_asked()
    if engine.kind == "processes":
        engine.on_ask(mine.answer, mine.lose)


def close(engine: Engine) -> None:
    """Close an engine, and let nobody wait for its tasks."""
    engine.close()
    shared(engine).close()


#: After so many seconds the end of a program says what it waits for.
_PATIENCE = 5.0


#: The process whose threads work for us.
_home = os.getpid()


def _close_all() -> None:
    for engine in list(_open):
        close(engine)
    if os.getpid() != _home:
        # The threads that are counted stayed with the process that was forked.
        return
    # Like executors, a program waits for what runs in its threads. A thread that is in the interpreter while that goes
    # away would bring the program down.
    try:
        if left := wait_for_threads(_PATIENCE):
            sys.stderr.write(
                f"thalweg: still running, cancelled: {', '.join(left)}. The program ends with them, or by Ctrl-C.\n"
            )
            while wait_for_threads(60.0):
                pass
    except KeyboardInterrupt:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)


# Streams may be at work on them until they have been drained.
program_end.call_after_drain(_close_all)

if hasattr(os, "register_at_fork"):
    # The threads that would close them are those of the process that was forked, and so are the workers.
    os.register_at_fork(after_in_child=_open.clear)


def make_default(client: Client) -> None:
    """Let a client be the one that is found where none is named."""
    _defaults.append(ref(client))


def forget(client: Client) -> None:
    """Let a client be the default no longer."""
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
    """Return the client that was given, or else the one to use where none is.

    That is the one of the task that runs here, the one of ``as_current``, or the one that last became the default.

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
    found = client or _of_task() or current.get() or latest_default()
    if found is None:
        raise ValueError("there is no client: make one by `Client()` first")
    return found


def client_of(engine: Engine) -> Client:
    """Return the client of an engine, as long as somebody holds it, or else a new one for it."""
    mine = shared(engine)
    client = None if mine.client is None else mine.client()
    if client is None:
        client = makers.client(engine)
    return client


def task_engine() -> Engine | None:
    """Return the engine of the task that runs here; in a worker process, what stands for it."""
    if is_worker():
        proxy: Engine = makers.proxy()
        return proxy
    return current_engine()


def _of_task() -> Client | None:
    engine = task_engine()
    return None if engine is None else client_of(engine)
