"""The names of ``dask.distributed``, for programs that were written for it.

After changing one import, and as they stand by ``python -m thalweg run --as distributed``, they run on threads or
processes of their own; with an address, on the cluster there. A name that Dask has and thalweg has not is an
`AttributeError` that says why.

>>> from thalweg.distributed import Client
>>> with Client(processes=False, dashboard_address=None) as client:
...     client.submit(lambda x: x + 1, 10).result()
11
"""

from thalweg import __version__
from thalweg.distributed.client import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    Client,
    Future,
    as_completed,
    default_client,
    fire_and_forget,
    futures_of,
    wait,
)
from thalweg.distributed.progress import progress
from thalweg.tasks.client.cluster import LocalCluster
from thalweg.tasks.client.events import print, warn
from thalweg.tasks.client.records import get_task_stream, performance_report
from thalweg.tasks.errors import CancelledError, KilledWorker, TimeoutError
from thalweg.tasks.process.actors import Actor, ActorFuture
from thalweg.tasks.process.context import get_client, get_worker, rejoin, secede, worker_client
from thalweg.tasks.process.plugins import WorkerPlugin
from thalweg.tasks.sync.event import Event
from thalweg.tasks.sync.lock import Lock
from thalweg.tasks.sync.multi_lock import MultiLock
from thalweg.tasks.sync.queue import Queue
from thalweg.tasks.sync.semaphore import Semaphore
from thalweg.tasks.sync.variable import Variable

#: Another name of it.
local_client = worker_client

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "Actor",
    "ActorFuture",
    "CancelledError",
    "Client",
    "Event",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "MultiLock",
    "Queue",
    "Semaphore",
    "TimeoutError",
    "Variable",
    "WorkerPlugin",
    "__version__",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_task_stream",
    "get_worker",
    "local_client",
    "performance_report",
    "print",
    "progress",
    "rejoin",
    "secede",
    "wait",
    "warn",
    "worker_client",
]

TYPE_CHECKING = False
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from thalweg.tasks.client import absent

        raise absent.missing(f"module {__name__!r}", name, absent.PACKAGE, lambda: __all__)
