"""Waiting for elements in flight before an engine closes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.parallel.backends.base import Backend
    from thalweg.stream import Stream

__all__ = ["until_delivered", "wait_until_delivered"]

#: Seconds from one look to the next: at first, and at most.
_SOON, _LATER = 0.001, 0.02

#: How often in a row nothing may be on its way for it to be over: while one looks, something may go from a node that is
#: still to be looked at to one that has been.
_LOOKS = 2


def wait_until_delivered(backend: Backend, seconds: float) -> bool:
    """Block until all that was scattered has been gathered, or the time is up.

    What only this thread could deliver, whose event loop it is, is not waited for.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.parallel.backends import find
    >>> from thalweg.parallel.backends.closing import wait_until_delivered
    >>> wait_until_delivered(find(ThreadPoolExecutor()), 1)
    True
    """
    for pause in _looks(backend, seconds, asyncio._get_running_loop()):
        time.sleep(pause)
    return _is_quiet(backend, asyncio._get_running_loop())


async def until_delivered(backend: Backend, seconds: float) -> bool:
    """Wait until all that was scattered has been gathered, or the time is up.

    Examples
    --------
    >>> import asyncio
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.parallel.backends import find
    >>> from thalweg.parallel.backends.closing import until_delivered
    >>> asyncio.run(until_delivered(find(ThreadPoolExecutor()), 1))
    True
    """
    for pause in _looks(backend, seconds, None):
        await asyncio.sleep(pause)
    return _is_quiet(backend, None)


def _looks(backend: Backend, seconds: float, stuck: Any) -> Iterator[float]:
    """Look again and again, after pauses of so many seconds."""
    end = time.monotonic() + seconds
    pause, quiet = _SOON, 0
    while not backend.is_closed:
        quiet = quiet + 1 if _is_quiet(backend, stuck) else 0
        if quiet == _LOOKS or time.monotonic() >= end:
            return
        yield _SOON if quiet else pause
        pause = min(2 * pause, _LATER)


def _is_quiet(backend: Backend, stuck: Any) -> bool:
    try:
        # In this order: what leaves a node is in the queue before it is gone there.
        nodes = [node for entrance in list(backend.entrances) for node in _up_to_gather(entrance)]
        if any(_goes_on(node._event_loop, stuck) and not node._is_idle() for node in nodes):
            return False
        return backend.queue.is_idle()
    except RuntimeError:
        # Another thread adds to a set that this one goes through.
        return False


def _goes_on(loop: Any, stuck: Any) -> bool:
    """Whether an event loop runs, all by itself: not a clock's, nor one of this thread, which waits."""
    return loop is not None and loop is not stuck and not hasattr(loop, "step") and loop.is_running()


def _up_to_gather(entrance: Stream) -> list[Stream]:
    """The nodes of a pipeline whose elements may have need of an engine yet, those first that were first."""
    nodes = entrance._pipeline.nodes()
    unseen: list[Stream] = [node for node in nodes if node._may_need_engine]
    found = {id(node) for node in unseen}
    while unseen:
        above = [node for node in unseen.pop().upstreams if id(node) not in found]
        found.update(map(id, above))
        unseen.extend(above)
    return [node for node in nodes if id(node) in found]
