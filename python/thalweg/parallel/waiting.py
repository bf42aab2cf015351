"""Waiting for elements of streams on an engine."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from thalweg._thalweg.parallel import Element

__all__ = ["awaited", "result", "run_until_done"]


def result(element: Element, timeout: float | None) -> Any:
    """Block until an element has a value, for at most so many seconds.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.waiting import result
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).sink_to_list()
    >>> source.emit(3)
    >>> result(L[0], 60)
    9
    """
    from concurrent.futures import Future

    known: Future[None] = Future()
    element._when_known(lambda: known.set_result(None))
    known.result(timeout)
    return _value(element)


def awaited(element: Element) -> Generator[Any, None, Any]:
    """Wait on the running loop until an element has a value.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).sink_to_list()
    >>> source.emit(3)
    >>> async def main():
    ...     return await L[0]
    >>> asyncio.run(main())
    9
    """
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def known() -> None:
        try:
            loop.call_soon_threadsafe(resolve)
        except RuntimeError:
            # The loop has been closed: nobody is left to be told.
            return

    element._when_known(known)
    yield from future
    return _value(element)


def _value(element: Element) -> Any:
    outcome = element._outcome()
    assert outcome is not None
    if not outcome:
        raise LookupError("the element was dropped by a filter")
    return outcome[0]


class _LoopOfThread:
    """An event loop that is closed with its thread: a forgotten one warns, and may not close."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def __del__(self) -> None:
        if not self.loop.is_running():
            self.loop.close()


_threads = threading.local()


def run_until_done(awaitable: Any) -> Any:
    """Await something on a thread of an engine, on an event loop that the thread keeps.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.parallel.waiting import run_until_done
    >>> run_until_done(asyncio.sleep(0, 5))
    5
    """
    # One loop per thread, and not one per call: what a function has opened on it is good for its next call.
    kept = getattr(_threads, "kept", None)
    if kept is None or kept.loop.is_closed():
        kept = _threads.kept = _LoopOfThread()
    loop: asyncio.AbstractEventLoop = kept.loop

    async def wait() -> Any:
        return await awaitable

    return loop.run_until_complete(wait())
