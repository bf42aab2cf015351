"""Assembles clients from their parts, which the registry creates without knowing them.

Parts are imported on first use: worker processes start with this module, and need little of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg._thalweg.tasks import is_worker
from thalweg.tasks.client import registry

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine
    from thalweg.tasks.client.client import Client
    from thalweg.tasks.client.events import EventLog
    from thalweg.tasks.process.worker_requests import WorkerRequests
    from thalweg.tasks.sync.coordinator import Coordinator, RemoteCoordinator


def _client(engine: Engine) -> Client:
    from thalweg.tasks.client.client import Client

    return Client._around(engine)


def _connected(address: str, timeout: Any) -> Client:
    from thalweg.tasks.client.client import Client

    return Client(address, timeout=timeout)


def _coordinator(engine: Any) -> Coordinator | RemoteCoordinator:
    from thalweg.tasks.sync import coordinator

    return coordinator.RemoteCoordinator(engine.use_state) if is_worker() else coordinator.Coordinator()


def _events() -> EventLog:
    from thalweg.tasks.client.events import EventLog

    return EventLog()


def _proxy() -> Any:
    from thalweg.tasks.process.engine_proxy import engine

    return engine()


def _requests(engine: Engine, coordinator: Any) -> WorkerRequests:
    from thalweg.tasks.process.worker_requests import WorkerRequests

    return WorkerRequests(engine, coordinator)


def _store(engine: Any) -> Any:
    from thalweg.tasks.client import datasets

    return datasets.RemoteStore(engine.use_store) if is_worker() else datasets.Store()


registry.makers.client = _client
registry.makers.connected = _connected
registry.makers.coordinator = _coordinator
registry.makers.events = _events
registry.makers.proxy = _proxy
registry.makers.requests = _requests
registry.makers.store = _store
