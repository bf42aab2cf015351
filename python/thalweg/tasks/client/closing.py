"""Closing engines that streams may still use."""

from __future__ import annotations

import time

from thalweg._thalweg.tasks import Engine, current_token
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval

__all__ = ["close", "close_later", "patience"]

#: Default time that closing waits for streams to deliver their elements in flight, in seconds.
PATIENCE = 60.0

#: The same after an interrupt.
PATIENCE_INTERRUPTED = 10.0


def patience(timeout: Interval | None = None, kind: type[BaseException] | None = None) -> float:
    """Return how many seconds to wait, also where an exception of some kind ends a block.

    Examples
    --------
    >>> from thalweg.tasks.client.closing import patience
    >>> patience(), patience("5s"), patience(kind=KeyboardInterrupt)
    (60.0, 5.0, 10.0)
    """
    if timeout is not None:
        return float(convert_interval(timeout))
    return PATIENCE if kind is None or issubclass(kind, Exception) else PATIENCE_INTERRUPTED


def close(engine: Engine, seconds: float) -> None:
    """Close an engine once streams have delivered their elements in flight, or the time is up.

    Examples
    --------
    >>> from thalweg._thalweg.tasks import Engine
    >>> from thalweg.tasks.client.closing import close
    >>> engine = Engine.threads(1)
    >>> close(engine, 1)
    >>> engine.closed
    True
    """
    try:
        end = time.monotonic() + seconds
        for stream in _streams(engine):
            stream.wait_until_delivered(max(0.0, end - time.monotonic()))
    finally:
        registry.close(engine)


async def close_later(engine: Engine, seconds: float) -> None:
    """The same as `close`, without blocking the loop.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg._thalweg.tasks import Engine
    >>> from thalweg.tasks.client.closing import close_later
    >>> engine = Engine.threads(1)
    >>> asyncio.run(close_later(engine, 1))
    >>> engine.closed
    True
    """
    try:
        end = time.monotonic() + seconds
        for stream in _streams(engine):
            await stream.until_delivered(max(0.0, end - time.monotonic()))
    finally:
        registry.close(engine)


def _streams(engine: Engine) -> list[Any]:
    # A task that closes its own engine would wait for itself.
    return [] if engine.closed or current_token() is not None else list(registry.shared(engine).streams)
