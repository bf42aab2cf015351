"""Streams, by the names that streamz's module ``core`` has for them."""

from __future__ import annotations

from thalweg.intervals import convert_interval
from thalweg.loops import shared_loops as _io_loops
from thalweg.ops import *  # noqa: F403
from thalweg.ops import __all__ as _operators
from thalweg.refcounter import RefCounter
from thalweg.sinks import Sink, sink, starsink
from thalweg.stream import APIRegisterMixin, Stream, identity, no_default
from thalweg.wiring import args_kwargs, destroy_pipeline, link, move_to_first

__all__ = [
    *_operators,
    "APIRegisterMixin",
    "RefCounter",
    "Sink",
    "Stream",
    "_io_loops",
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


def get_io_loop(asynchronous=None):
    """Return the event loop a pipeline would get: the one that is running if it is asynchronous, else
    the one on a thread of its own.
    """
    from thalweg import loops

    return loops.to_user(loops.find(asynchronous))


def sync(loop, func, *args, callback_timeout=None, **kwargs):
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
    """
    import asyncio
    import concurrent.futures

    from thalweg import loops

    target = loops.to_asyncio(loop)
    if asyncio._get_running_loop() is target:
        raise RuntimeError("sync() called from thread of running loop")

    async def call():
        result = func(*args, **kwargs)
        return await result if hasattr(result, "__await__") else result

    future = asyncio.run_coroutine_threadsafe(call(), target)
    try:
        return future.result(callback_timeout)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        future.cancel()
        raise TimeoutError(f"timed out after {callback_timeout} s.") from None
