"""Pickling of futures for tasks in worker processes.

A future of this process is pickled as its key. Unpickling finds the task by the key: here, or in a worker process by a
request to the parent. An answer to a worker process refers to a future by a number of that worker.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from thalweg._thalweg.tasks import is_worker
from thalweg.tasks.client import registry

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine, Future
    from thalweg.tasks.process.worker_requests import Known

__all__ = ["answering", "borrow", "find", "reduce"]


class _Here(threading.local):
    def __init__(self) -> None:
        #: The worker process whose request is read or answered in this thread.
        self.asker: Known | None = None


_here = _Here()

#: The futures that have been pickled and are still alive, by engine and key.
_lent: WeakValueDictionary[tuple[int, Any], Future[Any]] = WeakValueDictionary()


@contextmanager
def answering(asker: Known) -> Iterator[None]:
    """Pickle and unpickle futures in a worker process's form, in a ``with`` block."""
    before = _here.asker
    _here.asker = asker
    try:
        yield
    finally:
        _here.asker = before


def current_asker() -> Known | None:
    """Return the objects known to the worker process whose request is read or answered in this thread."""
    return _here.asker


def reduce(future: Future[Any]) -> tuple[Any, ...]:
    """Return the pickled form of a future.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks import Client
    >>> with Client() as client:
    ...     future = client.submit(abs, -1)
    ...     pickle.loads(pickle.dumps(future)).result()
    1
    """
    asker = _here.asker
    if asker is not None:
        return received, asker.add(future)
    key = future.key
    _lent[id(future.engine), key] = future
    return borrow, (key,)


def received(place: int, key: Any) -> Any:
    """Return the future that an answer refers to."""
    proxy: Any = registry.task_engine()
    return proxy.future(place, key)


def borrow(key: Any) -> Any:
    """Return a future of the live task with a key.

    Raises
    ------
    LookupError
        There is none in the current client.
    """
    if is_worker():
        proxy: Any = registry.task_engine()
        return proxy.borrow(key)
    return find(registry.default_client()._engine, key)


def find(engine: Engine, key: Any) -> Future[Any]:
    """Return a future of an engine's live task with a key.

    Raises
    ------
    LookupError
        There is none.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.process.lending import find
    >>> with Client() as client:
    ...     future = client.submit(abs, -1, key="one")
    ...     find(client._engine, "one").result()
    1
    """
    from thalweg.tasks.client.keys import to_text

    found = None
    requests = registry.shared(engine).requests
    if requests is not None:
        # Returned by a task. From now on the reader of the result holds it.
        found = requests.returned.pop(key, None)
        if found is not None:
            _lent[id(engine), key] = found
            return found
    found = engine.find(to_text(key))
    if found is None:
        found = _lent.get((id(engine), key))
    if found is None:
        raise LookupError(
            f"there is no task with the key {key!r} in this client whose future somebody holds and can be found: one "
            "of another client, or submitted without `key`, can't be"
        )
    return found
