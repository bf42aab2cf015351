"""Closing engines that streams may still use, and whose detached tasks run to their end."""

from __future__ import annotations

import os
import sys
import time
import warnings

from thalweg._thalweg.tasks import Engine, current_token, wait_for_threads
from thalweg.runtime import exit_by_signal, program_end
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry
from thalweg.tasks.client.aside import LOOK
from thalweg.tasks.client.waiting import block, later, settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._thalweg.tasks import Future
    from thalweg._types import Interval

__all__ = ["close", "close_later", "patience"]

#: Default time that closing waits for streams to deliver their elements in flight, and for detached tasks, in seconds.
PATIENCE = 60.0

#: The same after an interrupt.
PATIENCE_INTERRUPTED = 10.0

#: Seconds after which the end of a program says which threads it waits for.
_PATIENCE_WITH_THREADS = 5.0

#: The process whose threads work for us.
_home = os.getpid()

#: What detaches tasks.
_DETACHED = "`fire_and_forget` or an executor"

#: Maximum number of tasks to name.
_SHOWN = 3


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
    """Close an engine once streams have delivered their elements in flight, and detached tasks have ended, those of
    `fire_and_forget` and executors, or the time is up.

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
        if detached := _detached(engine):
            try:
                block(settled(detached, frozenset()), max(0.0, end - time.monotonic()))
            except TimeoutError:
                _warn_of_loss(detached)
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
        if detached := _detached(engine):
            try:
                await later(settled(detached, frozenset()), max(0.0, end - time.monotonic()))
            except TimeoutError:
                _warn_of_loss(detached)
    finally:
        registry.close(engine)


def _streams(engine: Engine) -> list[Any]:
    # A task that closes its own engine would wait for itself.
    return [] if engine.closed or current_token() is not None else list(registry.shared(engine).streams)


def _detached(engine: Engine) -> list[Future[Any]]:
    return [] if engine.closed or current_token() is not None else engine.detached()


def _names(futures: list[Future[Any]]) -> str:
    names = [future.key for future in futures if not future.done()]
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _warn_of_loss(futures: list[Future[Any]]) -> None:
    if names := _names(futures):
        message = f"closed before these tasks of {_DETACHED} had ended: {names}. A longer `timeout` waits for them"
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _close_all() -> None:
    if os.getpid() == _home:
        _await_detached()
    for engine in registry.open_engines():
        registry.close(engine)
    if os.getpid() != _home:
        # The counted threads stayed with the parent process.
        return
    # Like executors, a program waits for calls in its threads. A thread inside the interpreter during its shutdown
    # would crash the program.
    try:
        if left := wait_for_threads(_PATIENCE_WITH_THREADS):
            sys.stderr.write(
                f"thalweg: still running, cancelled: {', '.join(left)}. The program ends with them, or by Ctrl-C.\n"
            )
            while wait_for_threads(60.0):
                pass
    except KeyboardInterrupt:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)


def _await_detached() -> None:
    detached = [future for engine in registry.open_engines() for future in engine.detached()]
    if not detached:
        return
    ended = settled(detached, frozenset())
    try:
        if not ended.wait(program_end.SILENCE):
            names = _names(detached)
            sys.stderr.write(f"thalweg: waiting for tasks of {_DETACHED}: {names}. Ctrl-C cancels them.\n")
        while not ended.wait(LOOK):
            pass
    except KeyboardInterrupt:
        exit_by_signal.note_cut_short()
        sys.stderr.write(f"thalweg: interrupted, cancelled: {_names(detached)}.\n")


# Streams may use them until they have been drained.
program_end.call_after_drain(_close_all)
