"""Tasks: functions that run on threads, in processes, or on a cluster.

>>> from thalweg.tasks import Client
>>> with Client() as client:
...     squares = client.map(lambda x: x * x, range(4))
...     client.submit(sum, squares).result()
14
"""

from thalweg.tasks import assembly as _assembly  # noqa: F401, before anything of it is used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.tasks.client.aio import AioClient
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.client.cluster import LocalCluster
    from thalweg.tasks.client.executor import ClientExecutor
    from thalweg.tasks.client.futures import Future, as_completed, fire_and_forget, futures_of, wait
    from thalweg.tasks.errors import (
        CancelledError,
        CannotStopError,
        ClosedClientError,
        KilledWorker,
        RemoteError,
        TaskTimeout,
        TimeoutError,
        UnpicklableError,
    )
    from thalweg.tasks.process.context import (
        current_token,
        default_client,
        get_client,
        get_token,
        get_worker,
        rejoin,
        secede,
        worker_client,
    )
    from thalweg.tasks.sync.event import Event
    from thalweg.tasks.sync.lock import Lock
    from thalweg.tasks.sync.multi_lock import MultiLock
    from thalweg.tasks.sync.queue import Queue
    from thalweg.tasks.sync.semaphore import Semaphore
    from thalweg.tasks.sync.variable import Variable

__all__ = [
    "AioClient",
    "CancelledError",
    "CannotStopError",
    "Client",
    "ClientExecutor",
    "ClosedClientError",
    "Event",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "MultiLock",
    "Queue",
    "RemoteError",
    "Semaphore",
    "TaskTimeout",
    "TimeoutError",
    "UnpicklableError",
    "Variable",
    "as_completed",
    "current_token",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_token",
    "get_worker",
    "rejoin",
    "secede",
    "wait",
    "worker_client",
]

# Loaded on first use: worker processes start with this package, and need little of it.
_LATER = {
    "AioClient": "client.aio",
    "Client": "client.client",
    "ClientExecutor": "client.executor",
    "Event": "sync.event",
    "LocalCluster": "client.cluster",
    "Lock": "sync.lock",
    "MultiLock": "sync.multi_lock",
    "Queue": "sync.queue",
    "Semaphore": "sync.semaphore",
    "Variable": "sync.variable",
    **dict.fromkeys(["Future", "as_completed", "fire_and_forget", "futures_of", "wait"], "client.futures"),
    **dict.fromkeys(
        [
            "current_token",
            "default_client",
            "get_client",
            "get_token",
            "get_worker",
            "rejoin",
            "secede",
            "worker_client",
        ],
        "process.context",
    ),
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in __all__:
            from thalweg.errors.missing_names import Missing

            raise Missing(name, f"module {__name__!r}", lambda: __all__)
        found = getattr(import_module(f"{__name__}.{_LATER.get(name, 'errors')}"), name)
        globals()[name] = found
        return found
