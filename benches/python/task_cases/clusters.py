"""Clients shared by cases. They are closed at exit."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from distributed import Client, LocalCluster

import thalweg.tasks


@cache
def dask(*, processes: bool) -> Any:
    """A Dask client that runs two tasks at a time."""
    workers, threads = (2, 1) if processes else (1, 2)
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=threads, processes=processes, dashboard_address="127.0.0.1:0"
    )
    client = Client(cluster, set_as_default=False)

    def close() -> None:
        client.close()
        cluster.close()

    atexit.register(close)
    return client


@cache
def ours(*, processes: bool, workers: int = 2) -> Any:
    """A thalweg client that runs two tasks at a time."""
    if processes:
        client = thalweg.tasks.Client(processes=True, n_workers=workers, threads_per_worker=1, set_as_default=False)
    else:
        client = thalweg.tasks.Client(n_workers=1, threads_per_worker=workers, set_as_default=False)
    client.submit(abs, -1).result()
    atexit.register(client.close)
    return client
