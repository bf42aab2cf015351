"""The context of a running task: its client, its worker, and its thread's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from thalweg._thalweg.tasks import OutOfTheWay, Token, current_token, rejoin, secede
from thalweg.runtime.with_block import with_block
from thalweg.tasks.client import registry
from thalweg.tasks.client.registry import default_client

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.process.this_worker import Worker

__all__ = [
    "current_token",
    "default_client",
    "get_client",
    "get_token",
    "get_worker",
    "rejoin",
    "secede",
    "worker_client",
]


class _Wanted:
    """Token of work that can only be cancelled by ending its process, or is not a task."""

    cancelled = False

    def check(self) -> None:
        """Do nothing."""


def get_token() -> Token | _Wanted:
    """Return the token of the running task; outside of tasks, one that is never cancelled.

    Examples
    --------
    >>> from thalweg.tasks import get_token
    >>> get_token().cancelled
    False
    """
    return current_token() or _Wanted()


def get_client(address: str | None = None, timeout: Interval | None = None, resolve_address: bool = True) -> Client:
    """Return the client of the running task, or else the current or the default one.

    A task that waits for others with it occupies a thread that they may need: call `secede` to give up its place, or
    use `worker_client`.

    Raises
    ------
    ValueError
        There is none.

    Examples
    --------
    >>> from thalweg.tasks import Client, get_client, rejoin, secede
    >>> def both(x, y):
    ...     futures = get_client().map(abs, [x, y])
    ...     secede()
    ...     results = get_client().gather(futures)
    ...     rejoin()
    ...     return results
    >>> with Client() as client:
    ...     client.submit(both, -1, -2).result()
    [1, 2]
    """
    if address is not None:
        return registry.makers.connected(address, timeout)
    return registry.default_client()


@with_block
def worker_client(timeout: Interval | None = None, separate_thread: bool = True) -> Iterator[Client]:
    """Return the task's client, for a ``with`` block in which others may use its thread.

    Parameters
    ----------
    timeout
        Ignored: nothing is waited for here.
    separate_thread
        Whether to give up the thread's place.

    Examples
    --------
    >>> from thalweg.tasks import Client, worker_client
    >>> def both(x, y):
    ...     with worker_client() as client:
    ...         return client.gather(client.map(abs, [x, y]))
    >>> with Client() as client:
    ...     client.submit(both, -1, -2).result()
    [1, 2]
    """
    client = registry.default_client()
    if not separate_thread:
        yield client
        return
    with OutOfTheWay():
        yield client


def get_worker() -> Worker:
    """Return the worker that runs the task.

    There is one for each worker process, and one for all threads: attributes set on it by a task or by `Client.run` are
    visible to others.

    Raises
    ------
    ValueError
        No task runs here.

    Examples
    --------
    >>> import os
    >>> from thalweg.tasks import Client, get_worker
    >>> def connect():
    ...     get_worker().connection = "open"
    >>> with Client() as client:
    ...     done = client.run(connect)
    ...     client.submit(lambda: (get_worker().pid == os.getpid(), get_worker().connection)).result()
    (True, 'open')
    """
    engine = registry.task_engine()
    if engine is None:
        raise ValueError("get_worker: no task runs here")
    mine = registry.shared(engine)
    if mine.worker is None:
        from thalweg.tasks.process.this_worker import Worker

        with mine.lock:
            mine.worker = mine.worker or Worker(engine)
    worker: Worker = mine.worker
    return worker
