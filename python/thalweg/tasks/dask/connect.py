"""Clients of a Dask cluster, through Dask's own client."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from thalweg.runtime.intervals import convert_interval

if TYPE_CHECKING:
    from thalweg._types import Interval

__all__ = ["connect"]

#: Default timeout of connecting, in seconds.
_PATIENCE = 10.0

#: Arguments about workers to start, which are useless with a cluster.
_OURS = (
    "n_workers",
    "threads_per_worker",
    "processes",
    "memory_limit",
    "resources",
    "preload",
    "initializer",
    "initargs",
)


def connect(address: Any, *args: Any, timeout: Interval | None = None, **kwargs: Any) -> Any:
    """Return a client of the cluster at an address: Dask's, with the arguments of ours.

    Calls are impure unless `pure` says otherwise. Tasks cannot have a time limit, since Dask cannot stop them.

    Raises
    ------
    OSError
        No answer at the address within the timeout.
    ImportError
        Dask is not installed.

    Examples
    --------
    >>> from thalweg.tasks.dask.connect import connect
    >>> try:
    ...     connect("tcp://127.0.0.1:1", timeout="100ms")
    ... except OSError as error:
    ...     print("127.0.0.1:1" in str(error))
    True
    """
    for name in _OURS:
        if kwargs.pop(name, None):
            raise TypeError(f"Client: {name}: the cluster at {address} has its workers")
    client = _dask_client_type()
    seconds = _PATIENCE if timeout is None else float(convert_interval(timeout))
    try:
        return client(address, *args, timeout=seconds, **kwargs)
    except (TypeError, ValueError, OSError) as error:
        if repr(address) in str(error):
            raise
        kind = OSError if isinstance(error, OSError) else type(error)
        raise kind(f"Client: {address!r}: {error}") from error


def _dask_client_type() -> type[Any]:
    for name in ("distributed", "dask.distributed"):
        if getattr(sys.modules.get(name), "__name__", name).startswith("thalweg."):
            raise ImportError(f"{name!r} stands for thalweg in this program, so that Dask's own client can't be had")
    try:
        from thalweg.errors.missing_packages import need

        need("distributed", "dask", "Client")
        from thalweg.tasks.dask.client import DaskClient
    except ImportError as error:
        raise ImportError(
            f"an address is one of Dask's schedulers, and Dask is missing: pip install 'thalweg[dask]' ({error})"
        ) from error
    return DaskClient
