"""The names of ``dask.distributed``, for programs that were written for it.

After changing one import, and as they stand by ``python -m thalweg run --as distributed``, they run on threads or
processes of their own; with an address, on the cluster there.

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
from thalweg.tasks.cluster import LocalCluster
from thalweg.tasks.current import get_client, get_worker, rejoin, secede, worker_client
from thalweg.tasks.errors import CancelledError, KilledWorker, TimeoutError
from thalweg.tasks.event import Event
from thalweg.tasks.lock import Lock
from thalweg.tasks.queue import Queue
from thalweg.tasks.semaphore import Semaphore
from thalweg.tasks.variable import Variable

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "CancelledError",
    "Client",
    "Event",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "Queue",
    "Semaphore",
    "TimeoutError",
    "Variable",
    "__version__",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_worker",
    "progress",
    "rejoin",
    "secede",
    "wait",
    "worker_client",
]
