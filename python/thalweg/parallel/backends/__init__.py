"""Engines that parallel streams run on, a module each."""

from __future__ import annotations

import sys
from typing import Any
from weakref import WeakValueDictionary

from thalweg.parallel.backends.base import Backend
from thalweg.runtime import program_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from thalweg._thalweg import Pipeline

__all__ = ["Backend", "client_of", "find", "pipelines_on_executors", "shared_pool"]

#: One backend for each engine, while it is in use: two streams on one engine are on one backend.
_known: WeakValueDictionary[int, Backend] = WeakValueDictionary()


def find(client: Any = None, backend: Any = None) -> Backend:
    """Return the engine that is meant.

    Parameters
    ----------
    client:
        A ``thalweg.tasks.Client``, a ``distributed.Client``, or an executor of ``concurrent.futures``.
    backend:
        ``"thread"`` for threads of this process, ``"dask"`` for the Dask client that is active, or a function that
        returns a client. Without either: our current client, else the active Dask client, else threads.

    Raises
    ------
    ValueError
        There is no such backend, or no Dask client is active.
    TypeError
        `client` is none.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.parallel.backends import find
    >>> with ThreadPoolExecutor(3) as pool:
    ...     find(pool).width
    3
    """
    if client is not None:
        return _of(client)
    if callable(backend):
        return _of(backend())
    if backend == "dask":
        active = _active_dask()
        if active is None:
            raise ValueError("scatter: no Dask client is active: make one first, or give it as `client`")
        return _of(active)
    if backend == "thread":
        return _threads()
    if backend is not None:
        raise ValueError(f'scatter: `backend` is "thread", "dask" or a function that returns a client, not {backend!r}')
    ours = _current()
    if ours is None:
        ours = _active_dask()
    return _threads() if ours is None else _of(ours)


def client_of(session: Any) -> Any:
    """Return a client or an executor for calls beside those of a stream: on its engine, if the program has named one.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.backends import client_of
    >>> client_of(Stream().scatter(backend="thread")._session).submit(abs, -1).result()
    1
    """
    if session is not None and session.client is not None:
        return session.client
    if session is not None and session.backend is _shared:
        return shared_pool()
    return _current() or _active_dask()


_pools: list[ThreadPoolExecutor] = []


def shared_pool() -> ThreadPoolExecutor:
    """Return an executor that all share; a new one if it has been shut down.

    Examples
    --------
    >>> from thalweg.parallel.backends import shared_pool
    >>> shared_pool() is shared_pool()
    True
    """
    from concurrent.futures import ThreadPoolExecutor

    if not _pools or _pools[0]._shutdown:
        _pools[:] = [ThreadPoolExecutor()]
    return _pools[0]


def pipelines_on_executors() -> list[Pipeline]:
    """Return the pipelines with streams on engines that end with Python's executors.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg import Stream
    >>> from thalweg.parallel.backends import pipelines_on_executors
    >>> source = Stream()
    >>> L = source.scatter(ThreadPoolExecutor()).gather().sink_to_list()
    >>> source._pipeline in pipelines_on_executors()
    True
    """
    backends = [backend for backend in list(_known.values()) if backend.ends_with_executors]
    entrances = [entrance for backend in backends for entrance in list(backend.entrances)]
    return list({id(entrance._pipeline): entrance._pipeline for entrance in entrances}.values())


def _of(client: Any) -> Backend:
    kind, engine = _kind_of(client)
    known = _known.get(id(engine))
    # Another object may have got the number of one that is gone.
    if known is not None and known.engine is engine:
        return known
    made = _known[id(engine)] = kind(engine)
    if made.ends_with_executors:
        # They take no more at the end of a program: drain before.
        program_end.drain_before_executors_end(pipelines_on_executors)
    return made


def _kind_of(client: Any) -> tuple[type[Backend], Any]:
    """Class of the backend for a client, and the object that it wraps."""
    # One of ours that stands before a cluster is one of Dask's, too.
    distributed = sys.modules.get("distributed")
    if distributed is not None and isinstance(client, distributed.Client):
        from thalweg.errors.missing_packages import need

        need("distributed", "dask", "scatter")
        from thalweg.parallel.backends.dask import Dask

        return Dask, client
    engine = getattr(client, "_engine", None)
    if engine is not None:
        from thalweg.parallel.backends.embedded import Embedded

        return Embedded, engine
    futures = sys.modules.get("concurrent.futures")
    if futures is not None and isinstance(client, futures.Executor):
        from thalweg.parallel.backends.executor import Executor

        return Executor, client
    raise TypeError(
        f"scatter: `client` is a client of thalweg's or Dask's, or an executor of concurrent.futures, not {client!r}"
    )


_shared: Backend | None = None


def _threads() -> Backend:
    """The threads that are shared by all who ask for no other engine."""
    global _shared
    if _shared is None or _shared.is_closed:
        import os

        from thalweg._thalweg.tasks import Engine
        from thalweg.parallel.backends.embedded import Embedded

        _shared = Embedded(Engine.threads(os.cpu_count() or 1))
    return _shared


def _current() -> Any:
    """The client of ours that is in use, if there is any."""
    registry = sys.modules.get("thalweg.tasks.client.registry")
    if registry is None:
        return None
    try:
        return registry.default_client()
    except ValueError:
        return None


def _active_dask() -> Any:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None
