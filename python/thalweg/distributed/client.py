"""The names of ``distributed.client``."""

from concurrent.futures import CancelledError

from thalweg.tasks.client import Client
from thalweg.tasks.current import default_client, get_client
from thalweg.tasks.executor import ClientExecutor
from thalweg.tasks.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    Future,
    as_completed,
    fire_and_forget,
    futures_of,
    wait,
)

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "CancelledError",
    "Client",
    "ClientExecutor",
    "Future",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "wait",
]
