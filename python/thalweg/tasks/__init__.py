"""Tasks: functions that run on threads, in processes, or on a cluster.

>>> from thalweg.tasks import Client
>>> with Client() as client:
...     squares = client.map(lambda x: x * x, range(4))
...     client.submit(sum, squares).result()
14
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.tasks.aio import AioClient
    from thalweg.tasks.client import Client
    from thalweg.tasks.cluster import LocalCluster
    from thalweg.tasks.current import (
        current_token,
        default_client,
        get_client,
        get_token,
        get_worker,
        rejoin,
        secede,
        worker_client,
    )
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
    from thalweg.tasks.event import Event
    from thalweg.tasks.executor import ClientExecutor
    from thalweg.tasks.futures import Future, as_completed, fire_and_forget, futures_of, wait
    from thalweg.tasks.lock import Lock
    from thalweg.tasks.multi_lock import MultiLock
    from thalweg.tasks.queue import Queue
    from thalweg.tasks.semaphore import Semaphore
    from thalweg.tasks.variable import Variable

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

# Found when they are asked for: worker processes start with this package, and need little of it.
_LATER = {
    "AioClient": "aio",
    "Client": "client",
    "ClientExecutor": "executor",
    "Event": "event",
    "LocalCluster": "cluster",
    "Lock": "lock",
    "MultiLock": "multi_lock",
    "Queue": "queue",
    "Semaphore": "semaphore",
    "Variable": "variable",
    **dict.fromkeys(["Future", "as_completed", "fire_and_forget", "futures_of", "wait"], "futures"),
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
        "current",
    ),
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in __all__:
            from thalweg.names import Missing

            raise Missing(name, f"module {__name__!r}", lambda: __all__)
        found = getattr(import_module(f"{__name__}.{_LATER.get(name, 'errors')}"), name)
        globals()[name] = found
        return found
