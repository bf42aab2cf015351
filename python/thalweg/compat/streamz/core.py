"""Streams, by the names that streamz's module ``core`` has for them."""

# ruff: noqa: F403
from __future__ import annotations

from thalweg import ops
from thalweg.ops import *
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.loops import shared_loops as _io_loops  # noqa: F401, a name that streamz's tests know
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
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import EventLoop


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


def sync(
    loop: EventLoop, func: Callable[..., Any], *args: Any, callback_timeout: float | None = None, **kwargs: Any
) -> Any:
    """Call an asynchronous function on a loop that runs on another thread; block until it is done.

    Parameters
    ----------
    callback_timeout:
        The longest it may take, in seconds.

    Raises
    ------
    RuntimeError
        This is the loop's own thread.
    TimeoutError
        It took too long.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import get_io_loop, sync
    >>> sync(get_io_loop(), asyncio.sleep, 0, "done")
    'done'
    """
    import asyncio
    import concurrent.futures

    from thalweg.runtime import loops

    target = loops.to_asyncio(loop)
    if asyncio._get_running_loop() is target:
        raise RuntimeError("sync() called from thread of running loop")

    async def call() -> Any:
        result = func(*args, **kwargs)
        return await result if hasattr(result, "__await__") else result

    future = loops.start(target, call)
    try:
        return future.result(callback_timeout)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        future.cancel()
        raise TimeoutError(f"timed out after {callback_timeout} s.") from None
