"""Streams, by the names that streamz's module ``core`` has for them."""

# ruff: noqa: F403
from __future__ import annotations

from thalweg import ops
from thalweg.ops import *
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.loops import shared_loops as _io_loops  # noqa: F401, a name that streamz's tests know
from thalweg.runtime.sync import sync
from thalweg.sinks import Sink, sink, starsink
from thalweg.stream import APIRegisterMixin, Stream, identity, no_default
from thalweg.stream.refcounter import RefCounter
from thalweg.stream.wiring import args_kwargs, destroy_pipeline, link, move_to_first

__all__ = [
    *ops.__all__,
    "APIRegisterMixin",
    "RefCounter",
    "Sink",
    "Stream",
    "args_kwargs",
    "convert_interval",
    "destroy_pipeline",
    "get_io_loop",
    "identity",
    "link",
    "move_to_first",
    "no_default",
    "sink",
    "starsink",
    "sync",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def get_io_loop(asynchronous: bool | None = None) -> Any:
    """Return the event loop a pipeline would get: the one that is running if it is asynchronous, else
    the one on a thread of its own.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import get_io_loop
    >>> async def main():
    ...     return get_io_loop(asynchronous=True).asyncio_loop is asyncio.get_running_loop()
    >>> asyncio.run(main())
    True
    """
    from thalweg.runtime import loops

    return loops.to_user(loops.find(asynchronous))
