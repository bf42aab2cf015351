"""Blocking calls of asynchronous functions."""

from __future__ import annotations

from thalweg.runtime import loops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import EventLoop


def sync(
    loop: EventLoop, func: Callable[..., Any], *args: Any, callback_timeout: float | None = None, **kwargs: Any
) -> Any:
    """Call an asynchronous function on a loop of another thread; block until it is done.

    Parameters
    ----------
    callback_timeout:
        Time limit in seconds.

    Raises
    ------
    RuntimeError
        This is the loop's own thread.
    TimeoutError
        The limit has passed.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import get_io_loop, sync
    >>> sync(get_io_loop(), asyncio.sleep, 0, "done")
    'done'
    """
    import asyncio
    import concurrent.futures

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
