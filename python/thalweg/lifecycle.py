"""How pipelines end."""

from __future__ import annotations

import os
import time
import weakref

from thalweg.intervals import convert_interval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Any

    from thalweg._thalweg import Pipeline
    from thalweg._types import Interval
    from thalweg.stream import Stream

#: Every pipeline that is alive.
_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    # Their event loops run in the process that was forked, and nowhere else: the new one would wait for them in vain.
    os.register_at_fork(after_in_child=_pipelines.clear)

#: How long a drain may take, in seconds, where nothing else is said.
PATIENCE = 60.0

#: How long all pipelines of a program together may take at its end, in seconds.
PATIENCE_AT_EXIT = 10.0

_at_exit_is_set = False


def register(pipeline: Pipeline) -> None:
    """Take note of a pipeline, to drain it at the end of the program: called by the engine."""
    global _at_exit_is_set
    _pipelines.add(pipeline)
    if not _at_exit_is_set:
        _at_exit_is_set = True
        drain_before_threads_end()


def drain_before_threads_end() -> None:
    """Have all pipelines drained at the end of the program, before what threads there are now end."""
    import threading

    # Called before the threads of executors and clients are told to end, whose work is waited for. It
    # is what concurrent.futures uses, and like there the last to register is called first.
    set_up = getattr(threading, "_register_atexit", None)
    if set_up is not None:
        try:
            set_up(drain_all)
            return
        except RuntimeError:
            return
    import atexit

    atexit.register(drain_all)


def drain(node: Stream, timeout: Interval | None, asynchronous: bool) -> Any:
    """End a node's pipeline: its sources, and then what is on its way."""
    seconds = PATIENCE if timeout is None else convert_interval(timeout)
    # First: a source may be waiting for an element that goes round and round.
    node._cut_cycles()
    runs = _stop_sources(node)
    if asynchronous or (node.asynchronous and node._event_loop is not None):
        return _drain_async(node, seconds, runs)
    left = _countdown(seconds, node._event_loop)
    for run in runs:
        _wait_for(node, run, left())
    result = node._drain(left(), False)
    _tell_nodes(node)
    return result


def _stop_sources(node: Stream) -> list[Any]:
    """Have the sources of a pipeline come to an end; return their runs, to wait for."""
    ends = (getattr(other, "_end", None) for other in node._pipeline.nodes())
    return [run for run in (end() for end in ends if end is not None) if run is not None]


async def _drain_async(node: Stream, seconds: float, runs: list[Any]) -> None:
    import asyncio

    left = _countdown(seconds, asyncio.get_running_loop())
    for run in runs:
        try:
            await asyncio.wait_for(run.wait(), left())
        except asyncio.TimeoutError:
            break
    waiting = node._drain(left(), True)
    if waiting is not None:
        await waiting
    _tell_nodes(node)


def _countdown(seconds: float, loop: AbstractEventLoop | None) -> Callable[[], float]:
    """Count down from now on, by the loop's clock if there is one: return what says the seconds that are left."""
    now = time.monotonic if loop is None else loop.time
    end = now() + seconds
    return lambda: max(_LEAST, end - now())


def _wait_for(node: Stream, run: Any, seconds: float) -> None:
    loop: Any = node._event_loop
    step = getattr(loop, "step", None)
    if step is None:
        run.wait_in_thread(seconds)
        return
    # A virtual clock: nobody else runs the loop.
    until = loop.time() + seconds
    while not run.wait_in_thread(0) and loop.time() < until:
        step()


def _tell_nodes(node: Stream) -> None:
    for other in node._pipeline.nodes():
        if other._drained is not None:
            other._drained()


def drain_all(timeout: Interval | None = None) -> None:
    """Drain every pipeline of the program; what could not be delivered is written to the log.

    It is what happens at the end of a program by itself. Of a pipeline whose event loop has
    been closed, what needs no event loop is delivered.

    Parameters
    ----------
    timeout:
        The longest it may take, for all pipelines together: seconds, or text such as ``"5s"``; None for
        10 s. A function that blocks the thread it is called on is waited for nevertheless.

    Examples
    --------
    >>> from thalweg import Stream, drain_all
    >>> source = Stream()
    >>> L = source.partition(2).sink_to_list()
    >>> source.emit(1)
    >>> drain_all()
    >>> L
    [(1,)]
    """
    left = _countdown(PATIENCE_AT_EXIT if timeout is None else convert_interval(timeout), None)
    for pipeline in list(_pipelines):
        if pipeline.is_joined:
            continue
        nodes = pipeline.nodes()
        if not nodes:
            continue
        try:
            _drain_now(nodes[0], left())
        except Exception as error:
            from thalweg.errors import ClosedError, log_failure

            if not isinstance(error, ClosedError):
                log_failure(error)


def _drain_now(node: Stream, seconds: float) -> None:
    loop = node._event_loop
    if loop is None:
        drain(node, seconds, False)
    elif loop.is_closed():
        _drain_without_loop(node, seconds)
    elif hasattr(loop, "step"):
        # On a virtual clock nobody waits for the time that passes.
        drain(node, max(seconds, PATIENCE), False)
    elif loop.is_running():
        _drain_elsewhere(node, loop, seconds)
    else:
        # The loop is the user's, and has ended.
        loop.run_until_complete(drain(node, seconds, True))


def _drain_without_loop(node: Stream, seconds: float) -> None:
    """Drain a pipeline as far as that can be done when its loop has been closed."""
    from thalweg.errors import UndeliveredError

    _stop_sources(node)
    waiting = node._drain(seconds, True)
    _tell_nodes(node)
    if waiting is not None and not waiting.done():
        raise UndeliveredError("the event loop was closed before everything had been delivered", [], [])


def _drain_elsewhere(node: Stream, loop: AbstractEventLoop, seconds: float) -> None:
    """Drain a pipeline whose loop runs on another thread, which may be stuck."""
    import asyncio
    from concurrent.futures import TimeoutError

    if asyncio._get_running_loop() is loop:
        return
    draining = asyncio.run_coroutine_threadsafe(drain(node, seconds, True), loop)
    try:
        draining.result(seconds + _GRACE)
    except TimeoutError:
        if draining.done():
            raise
        from thalweg.errors import UndeliveredError

        raise UndeliveredError(f"the event loop of {node} is stuck", [], []) from None


#: What is left, in seconds, when no time is: enough for a pipeline that has nothing to wait for.
_LEAST = 0.001

#: How much longer than a drain may take, in seconds, its loop has to say how it went.
_GRACE = 0.5
