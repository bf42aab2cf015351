"""Messages about a thread that waits long for another one inside its pipeline."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from concurrent.futures import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

#: Calls in which a function waits for another thread.
_WAITS = (Future.result.__code__, Future.exception.__code__, threading.Thread.join.__code__)

#: Files whose functions are not named: the standard library, and this package.
_ELSEWHERE = (sysconfig.get_path("stdlib"), os.path.dirname(os.path.dirname(__file__)), "<frozen")

#: Maximum number of threads named in a message.
_NAMED = 5


def say(seconds: float, on_loop: bool) -> None:
    """Log, as a warning, what the calling thread waits for.

    Parameters
    ----------
    seconds:
        Time waited so far.
    on_loop:
        Whether it waits for the thread of the pipeline's event loop.

    Examples
    --------
    >>> import logging, sys
    >>> from thalweg import errors
    >>> from thalweg.runtime.contention import say
    >>> handler = logging.StreamHandler(sys.stdout)
    >>> logging.getLogger(errors.logger_name).addHandler(handler)
    >>> say(1.0, on_loop=False)  # doctest: +ELLIPSIS
    emit has waited 1 s for the thread inside its pipeline (...). A function must not wait for a thread ...
    >>> logging.getLogger(errors.logger_name).removeHandler(handler)
    """
    from thalweg.errors import logger

    what = "the pipeline's event loop, which is busy" if on_loop else "the thread inside its pipeline"
    logger().warning(
        "emit has waited %.0f s for %s (%s). A function must not wait for a thread that emits into the function's "
        "own pipeline; Ctrl-C interrupts the main thread",
        seconds,
        what,
        _threads() or "no other thread runs",
    )


def check(loop: Any) -> None:
    """Raise an error if a loop's thread waits for the calling thread, which waits for the loop.

    Detects a function on the loop that waits, without a time limit, for a call in an executor of `concurrent.futures`,
    or for the end of a thread.

    Raises
    ------
    RuntimeError
        It does.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.runtime.contention import check
    >>> check(asyncio.new_event_loop())
    """
    frame = sys._current_frames().get(getattr(loop, "_thread_id", None))  # type: ignore[arg-type]
    mine = {threading.current_thread(), *_calls(sys._getframe())}
    waits = False
    while frame is not None:
        code = frame.f_code
        if code in _WAITS and frame.f_locals.get("timeout") is None and frame.f_locals.get("self") in mine:
            waits = True
        elif waits and not code.co_filename.startswith(_ELSEWHERE):
            raise RuntimeError(
                f"emit would wait for ever: {code.co_name!r}, which the pipeline's event loop runs "
                f"({os.path.basename(code.co_filename)}:{frame.f_lineno}), waits for this thread; "
                "await the call there instead, or let it go on without its result"
            )
        frame = frame.f_back


def _calls(frame: FrameType | None) -> Iterator[Future[Any]]:
    """Yield the futures of the calls that the thread runs for executors."""
    while frame is not None:
        future = getattr(frame.f_locals.get("self"), "future", None) if frame.f_code.co_name == "run" else None
        if isinstance(future, Future):
            yield future
        frame = frame.f_back


def _threads() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)
    told = [f"{names.get(ident, ident)}{_place(frame)}" for ident, frame in frames.items()]
    more = f", {len(told) - _NAMED} more threads" if len(told) > _NAMED else ""
    return ", ".join(told[:_NAMED]) + more


def _place(frame: FrameType | None) -> str:
    """Return the position of a thread in user code."""
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_ELSEWHERE):
            return f" in {code.co_name} at {os.path.basename(code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
