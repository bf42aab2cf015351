"""Draining one pipeline."""

from __future__ import annotations

import time

from thalweg.errors import UndeliveredError
from thalweg.runtime import loops, pipelines
from thalweg.runtime.intervals import convert_interval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import Interval
    from thalweg.stream import Stream

#: Default time limit of a drain, in seconds.
PATIENCE = 60.0

#: How long an event loop may take to respond when a source has not stopped in time, in seconds.
GRACE = 1.0


def drain(node: Stream, timeout: Interval | None, asynchronous: bool) -> Any:
    """End a node's pipeline: first its sources, then the elements in flight."""
    seconds = PATIENCE if timeout is None else convert_interval(timeout)
    # First, since a source may be waiting for an element that circulates for ever.
    node._cut_cycles()
    runs = stop_sources(node)
    loop, running = node._event_loop, loops.running()
    if node.asynchronous and not asynchronous and running is None and loop is not None and loop.is_running():
        # This thread may wait for the loop of another.
        return loops.start(loop, lambda: _drain_async(node, seconds, runs)).result()
    if asynchronous or (node.asynchronous and (running or loop) is not None):
        return _drain_async(node, seconds, runs)
    left = countdown(seconds, loop)
    with NotingDrained(node):
        late = [source for source, run in runs if not _wait_for(node, run, left())]
        try:
            if late and loop is not None and loop is not running and not _responds(loop):
                _check_ended(
                    late, ", and keeps its event loop busy: let others have a turn, by `await asyncio.sleep(0)`"
                )
            result = node._drain(left(), False)
            _check_ended(late)
        except Exception:
            _tell_nodes(node, is_failing=True)
            raise
        _tell_nodes(node)
    return result


def until_idle(node: Stream, timeout: Interval | None, asynchronous: bool) -> Any:
    """Wait until no element is in flight in a node's pipeline."""
    seconds = PATIENCE if timeout is None else convert_interval(timeout)
    loop, running = node._event_loop, loops.running()
    if node.asynchronous and not asynchronous and running is None and loop is not None and loop.is_running():
        # This thread may wait for the loop of another.
        return loops.start(loop, lambda: _until_idle_async(node, seconds)).result()
    if asynchronous or (node.asynchronous and (running or loop) is not None):
        return _until_idle_async(node, seconds)
    return node._until_idle(seconds, False)


async def _until_idle_async(node: Stream, seconds: float) -> None:
    await _given(node._until_idle(seconds, True))


async def _given(waiting: Any) -> None:
    """Await the engine's awaitable, if it returned one."""
    try:
        if waiting is not None:
            await waiting
    finally:
        # The frame and the error that it raises reference each other: no garbage collector sees that cycle.
        del waiting


class NotingDrained:
    """Note the end of a drain: the end of the program does not wait again for what one has failed to deliver.

    A drain that was interrupted or cancelled has not ended: the end of the program continues it. Not a function of
    `contextlib`: that assigns to exceptions, which frozen data classes refuse.
    """

    def __init__(self, node: Stream) -> None:
        self._node = node

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            pipelines.note_drained(self._node._pipeline)


def stop_sources(node: Stream) -> list[tuple[Stream, Any]]:
    """Stop the sources of a pipeline; return those that were running, with their runs, to wait for."""
    sources = [other for other in node._pipeline.nodes() if hasattr(other, "_end")]
    return [(source, run) for source in sources if (run := source._end()) is not None]


def _responds(loop: AbstractEventLoop) -> bool:
    """Whether the loop calls functions; one that nobody runs is run for each of them."""
    return not loop.is_running() or loops.responds(loop, GRACE)


def _check_ended(late: list[Stream], why: str = "") -> None:
    """Raise an error if sources have not ended: their remaining elements are not delivered."""
    if late:
        held = [(source._own_name(), 0) for source in late]
        names = ", ".join(f"`{name}` did not stop in time{why}" for name, _ in held)
        raise UndeliveredError(f"not everything was delivered: {names}", held, [])


async def _drain_async(node: Stream, seconds: float, runs: list[tuple[Stream, Any]]) -> None:
    import asyncio

    left = countdown(seconds, asyncio.get_running_loop())
    with NotingDrained(node):
        for _, run in runs:
            try:
                await asyncio.wait_for(run.wait(), left())
            except asyncio.TimeoutError:
                break
        late = [source for source, run in runs if not run.is_over()]
        try:
            await _given(node._drain(left(), True))
            _check_ended(late)
        except Exception:
            await _tell_nodes_aside(node, is_failing=True)
            raise
        await _tell_nodes_aside(node)


def drain_without_loop(node: Stream) -> bool:
    """Drain a pipeline as far as possible without an event loop; return whether that is to the end.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.runtime.lifecycle import drain_without_loop
    >>> source = Stream()
    >>> L = source.partition(2).sink_to_list()
    >>> source.emit(1)
    >>> drain_without_loop(source), L
    (True, [(1,)])
    """
    stop_sources(node)
    try:
        return node._drain_at_once()
    finally:
        _tell_nodes(node)
        pipelines.note_drained(node._pipeline)


def countdown(seconds: float, loop: AbstractEventLoop | None) -> Callable[[], float]:
    """Start a countdown, by the loop's clock if there is one: return a function for the seconds left.

    Examples
    --------
    >>> from thalweg.runtime.lifecycle import countdown
    >>> left = countdown(60, None)
    >>> 0 < left() <= 60
    True
    """
    now = time.monotonic if loop is None else loop.time
    end = now() + seconds
    return lambda: max(LEAST, end - now())


def _wait_for(node: Stream, run: Any, seconds: float) -> bool:
    """Wait for the end of a source's run; return whether it has come."""
    loop: Any = node._event_loop
    step = getattr(loop, "step", None)
    if step is None:
        over: bool = run.wait_in_thread(seconds)
        return over
    # A virtual clock: nobody else runs the loop.
    until = loop.time() + seconds
    while not run.wait_in_thread(0) and loop.time() < until:
        step()
    over = run.wait_in_thread(0)
    return over


def _tell_nodes(node: Stream, is_failing: bool = False) -> None:
    """Tell all nodes that the drain has ended, whatever its result, since others may wait for that.

    Errors that they raise are raised at the end, or logged if the drain `is_failing`.
    """
    errors: list[Exception] = []
    for tell in (*_drained(node), *_finishes(node)):
        try:
            tell()
        except Exception as error:
            errors.append(error)
    _raise_first(errors, is_failing)


async def _tell_nodes_aside(node: Stream, is_failing: bool = False) -> None:
    """The same on an event loop, which blocking calls must not hold up."""
    errors: list[Exception] = []
    for finish in _finishes(node):
        try:
            await _run_aside(finish)
        except Exception as error:
            errors.append(error)
    for drained in _drained(node):
        try:
            drained()
        except Exception as error:
            errors.append(error)
    _raise_first(errors, is_failing)


def _raise_first(errors: list[Exception], is_failing: bool) -> None:
    """Raise the first error, unless the drain has failed already; log the others."""
    from thalweg.errors import log_failure

    for error in errors if is_failing else errors[1:]:
        log_failure(error)
    if errors and not is_failing:
        raise errors[0]


def _drained(node: Stream) -> list[Callable[[], None]]:
    """Callbacks of nodes for the end of the drain."""
    return [other._drained for other in node._pipeline.nodes() if other._drained is not None]


async def _run_aside(function: Callable[[], None]) -> None:
    """Call a function that may block, without holding up the event loop."""
    import asyncio

    try:
        running = asyncio.get_running_loop().run_in_executor(None, function)
    except RuntimeError:
        # The program is ending: there are no more threads, and the loop has nothing else to do.
        function()
    else:
        await running


def _finishes(node: Stream) -> list[Callable[[], None]]:
    """Callbacks of nodes for the end of the drain that may block."""
    return [other._finish for other in node._pipeline.nodes() if other._finish is not None]


#: Time of a drain when none is left, in seconds: enough for a pipeline that has nothing to wait for.
LEAST = 0.001


def warn_of_loss(node: Stream, count: int) -> None:
    """Warn that a node is freed with elements that a drain would have delivered: once for each text.

    The garbage collector frees nodes in the middle of anything, and so no functions can be called for the elements.

    Examples
    --------
    >>> import gc, warnings
    >>> from thalweg import Stream
    >>> def build():
    ...     source = Stream()
    ...     source.partition(2).sink(print)
    ...     source.emit(1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     build()
    ...     _ = gc.collect()
    >>> print(caught[-1].message)
    <partition: 2> was freed with 1 element, which is lost: drain a pipeline, or keep a reference to it
    """
    import warnings

    which = "1 element, which is lost" if count == 1 else f"{count} elements, which are lost"
    message = f"{node!r} was freed with {which}: drain a pipeline, or keep a reference to it"
    warnings.warn(message, RuntimeWarning, stacklevel=1)
