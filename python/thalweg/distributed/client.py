"""The names of ``distributed.client``."""

from concurrent.futures import CancelledError

from thalweg.tasks.client.client import Client
from thalweg.tasks.client.executor import ClientExecutor
from thalweg.tasks.client.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    Future,
    as_completed,
    fire_and_forget,
    futures_of,
    wait,
)
from thalweg.tasks.process.context import default_client, get_client

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
