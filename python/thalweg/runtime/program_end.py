"""The end of a program: its pipelines deliver their elements, or report them."""

from __future__ import annotations

import atexit
import gc
import sys
import weakref

from thalweg import _thalweg
from thalweg.errors import UndeliveredError, is_refusal, log_failure, logger
from thalweg.runtime import exit_by_signal, lifecycle, loops, pipelines
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.lifecycle import countdown, drain_without_loop
from thalweg.runtime.pipelines import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any

    from thalweg._thalweg import Pipeline
    from thalweg._types import Interval
    from thalweg.stream import Stream

#: Time limit for all pipelines together at the end of a program, in seconds.
PATIENCE_AT_EXIT = 10.0

#: Seconds that a loop on another thread has to answer, beyond the time of its drain.
_GRACE = 0.5

#: Seconds of waiting after which the program says what it waits for.
SILENCE = 1.0

#: Share of a drain's time in which pipelines that emit into one another may become idle, before any is closed.
_SHARE_TO_REST = 0.5

#: Maximum number of times that pipelines that emit into one another are drained.
_ROUNDS = 100

#: Interval of checking whether a thread has left a pipeline, or executors are idle, in seconds.
_LOOK = 0.005

#: Maximum wait for a thread before the next check, in seconds.
_PATIENCE_WITH_THREAD = 0.1

#: Number of consecutive checks that must find executors idle.
_LOOKS = 3

#: Pipelines on closed event loops whose elements in flight have been reported.
_told: weakref.WeakSet[Pipeline] = weakref.WeakSet()

#: Pipelines for which the wait has been reported.
_said: weakref.WeakSet[Pipeline] = weakref.WeakSet()

#: Drained pipelines that have received elements since.
_reopened: weakref.WeakSet[Pipeline] = weakref.WeakSet()

#: Whether the program has nothing left to do but drain its pipelines.
_is_ending = False

#: Functions to call when all pipelines have been drained.
_closers: list[Callable[[], None]] = []


def call_after_drain(close: Callable[[], None]) -> None:
    """Have a function called at the end of the program, when all pipelines have been drained."""
    _closers.append(close)


# A program is over when its last non-daemon thread is. Threads of executors end when `threading` tells them to,
# before it waits for the others. Exit handlers follow, and the drain is the first of them: those of the program close
# the files that sinks write to. Elements that they emit are drained again, on engines that end last.


@atexit.register
def _end_engines() -> None:
    """End what pipelines work with: no exit handler emits any more, except those registered before this package.

    Pipelines that exit handlers have built are drained first.
    """
    if any(pipeline.nodes() and not pipelines.is_drained(pipeline) for pipeline in alive()):
        _drain_at_end()
    for close in _closers:
        close()
    _thalweg.await_visitors()
    exit_by_signal.exit_if_interrupted()


@atexit.register
def _end_program() -> None:
    """Drain everything: the threads of the program have ended."""
    note_ending()
    _drain_at_end()


def _drain_at_end() -> None:
    try:
        try:
            drain_all()
        except SystemExit as end:
            _say_late(end)
            # If the handler of a signal has raised it, and not a function, the drain goes on. A second signal ends it.
            drain_all()
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, KeyboardInterrupt):
            exit_by_signal.note_cut_short()
        _say(f"interrupted: {_describe(alive()) or 'nothing'} left undelivered")
    except BaseException as error:
        log_failure(error)
    finally:
        _end_all()


def _end_before_others() -> None:
    """Have the drain run before other exit handlers: those registered last are called first."""
    atexit.unregister(_end_program)
    atexit.register(_end_program)


def note_ending() -> None:
    """Record that this thread ends the program: elements that tasks emit during the drain, and later, are delivered."""
    _note_end()
    _thalweg.note_ending()


def _note_end() -> None:
    global _is_ending
    _is_ending = True
    # It would free pipelines of functions that have returned, with what their windows hold, before they are drained.
    gc.disable()


def mark_ended() -> None:
    """Record that the program is ending, and that its pipelines have been drained, as far as they can be."""
    for pipeline in alive():
        pipeline._end()
        pipelines.note_drained(pipeline)


def _end_all() -> None:
    """Record the same, and drain elements that arrived just before."""
    mark_ended()
    for _ in range(_ROUNDS):
        if not (late := _reopen_late()):
            return
        log_failures_of(_drain, late, PATIENCE_AT_EXIT)
        mark_ended()


def _reopen_late() -> list[Pipeline]:
    """Reopen the drained pipelines that have received elements since; return them."""
    nodes = [node for pipeline in alive() for node in pipeline.nodes()[:1] if node._has_late()]
    for node in nodes:
        node._reopen()
        pipelines.note_reopened(node._pipeline)
    return [node._pipeline for node in nodes]


def drain_before_executors_end(users: Callable[[], list[Pipeline]]) -> None:
    """Have pipelines that use executors, `users`, drained before those end, once all other threads have."""

    def drain_users() -> None:
        if users():
            _await_threads_and_executors()
            # Only daemons are left.
            note_ending()
            _drain(users(), PATIENCE_AT_EXIT, alive())

    _call_when_threads_end(drain_users, is_last=False)


def _set_up() -> None:
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        # Processes of `multiprocessing` call no exit handlers.
        _call_when_threads_end(_end_child, is_last=True)
    else:
        _call_when_threads_end(_end_before_others, is_last=False)


def _end_child() -> None:
    _await_threads()
    _note_end()
    drain_all()
    mark_ended()
    for close in _closers:
        close()


def _call_when_threads_end(function: Callable[[], None], is_last: bool) -> None:
    """Have a function called when the main thread has ended, before or after executors are told to end."""
    import threading

    # The last one registered is called first; executors register when they are imported.
    if is_last and hasattr(threading, "_threading_atexits"):
        threading._threading_atexits.insert(0, function)
        return
    try:
        threading._register_atexit(function)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):
        # The program is ending already, or this interpreter has no such thing.
        return


def _await_threads() -> None:
    """Wait for all threads that end by themselves, as the interpreter is about to."""
    import threading
    import time

    while True:
        pools, processes = (sys.modules.get(f"concurrent.futures.{name}") for name in ("thread", "process"))
        of_executors = [*getattr(pools, "_threads_queues", ()), *getattr(processes, "_threads_wakeups", ())]
        others = (
            thread
            for thread in threading.enumerate()
            if not (thread.daemon or thread is threading.main_thread() or thread in of_executors)
        )
        thread = next(others, None)
        if thread is None:
            return
        if thread.ident is None:
            # It is being started.
            time.sleep(_LOOK)
        else:
            # It may turn out to be an executor's: those are recorded once they have been started.
            thread.join(_PATIENCE_WITH_THREAD)


def _await_threads_and_executors() -> None:
    """Wait until only idle threads of executors are left."""
    import time

    looks = 0
    while looks < _LOOKS:
        _await_threads()
        looks = looks + 1 if _are_executors_idle() else 0
        time.sleep(_LOOK)


def _are_executors_idle() -> bool:
    pools, processes = (sys.modules.get(f"concurrent.futures.{name}") for name in ("thread", "process"))
    frames = sys._current_frames()
    of_threads = dict(getattr(pools, "_threads_queues", {}))
    of_processes = list(getattr(processes, "_threads_wakeups", ()))
    return all(
        not thread.is_alive() or (queue.empty() and _waits_for_work(frames.get(thread.ident)))
        for thread, queue in of_threads.items()
    ) and not any(
        getattr(thread, "pending_work_items", None) or _calls_back(frames.get(thread.ident)) for thread in of_processes
    )


def _waits_for_work(frame: FrameType | None) -> bool:
    """Whether an executor's thread is idle."""
    return frame is not None and frame.f_code.co_name == "_worker" and frame.f_locals.get("work_item") is None


def _calls_back(frame: FrameType | None) -> bool:
    """Whether the thread that manages an executor's processes is running callbacks of results."""
    while frame is not None:
        if frame.f_code.co_name == "_invoke_callbacks":
            return True
        frame = frame.f_back
    return False


pipelines.call_with_first(_set_up)


# Draining.


def drain_all(timeout: Interval | None = None) -> None:
    """Drain every pipeline of the program; log what could not be delivered.

    The end of a program does the same. For a pipeline whose event loop has been closed, everything is delivered that
    needs no event loop. A drained pipeline is not drained again.

    Parameters
    ----------
    timeout:
        Time limit for all pipelines together: seconds, or text such as ``"5s"``; None for 10 s. A function that blocks
        the thread it is called on is waited for nevertheless.

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
    everything = alive()
    _reopen_late()
    _drain(everything, PATIENCE_AT_EXIT if timeout is None else convert_interval(timeout), everything)


def _drain(doomed: list[Pipeline], seconds: float, others: Iterable[Pipeline] = ()) -> None:
    """Drain pipelines which `others`, including themselves, may emit into.

    Before any is drained, all become idle. Windows emit only afterwards: pipelines that receive their elements after
    being drained are drained again, as are those that tasks emit into.
    """
    left = countdown(seconds, None)
    # If a function asks for the end of the program, by `sys.exit` for example, the others' elements come first.
    ends: list[BaseException] = []
    together = [pipeline for pipeline in others if not pipelines.is_drained(pipeline)]
    for pipeline in together:
        _begin_end(pipeline)
    try:
        is_endless = len(together) > 1 and not _come_to_rest(together, countdown(seconds * _SHARE_TO_REST, None))
        for number in range(_ROUNDS):
            if is_endless or number == _ROUNDS - 1 or left() <= lifecycle.LEAST:
                # Elements that they still emit into one another are refused.
                for pipeline in together:
                    _cease_end(pipeline)
            ends += _drain_each(doomed, left)
            doomed = [*_reopened, *_reopen_late()]
            _reopened.clear()
            if not doomed:
                break
    finally:
        if not _is_ending:
            for pipeline in together:
                _cease_end(pipeline)
    if ends:
        raise ends[0]


def _begin_end(pipeline: Pipeline) -> None:
    """Have a pipeline accept elements until `_cease_end`, from functions of pipelines and from tasks only."""
    for node in pipeline.nodes()[:1]:
        node._take_late(True)
    pipeline._begin_end()


def _cease_end(pipeline: Pipeline) -> None:
    for node in pipeline.nodes()[:1]:
        node._take_late(False)
    pipeline._cease_end()


def _drain_each(doomed: Iterable[Pipeline], left: Callable[[], float]) -> list[BaseException]:
    """Drain pipelines one after the other; return exceptions of their functions that are not failures."""
    stranded, ends = [], []
    for pipeline in doomed:
        nodes = pipeline.nodes()
        # The pipelines drained before may have been all that referenced it.
        if pipelines.is_drained(pipeline) or not nodes:
            continue
        node = nodes[0]
        if node._event_loop is not None and node._event_loop.is_closed():
            stranded.append(node)
            continue
        try:
            log_failures_of(_drain_now, node, left())
        except KeyboardInterrupt:
            if _is_ending:
                # No other exit handler waits for the same again.
                mark_ended()
            raise
        except BaseException as end:
            ends.append(end)
    _tell_of_loss([node._pipeline for node in stranded if node._pipeline not in _told])
    for node in stranded:
        # Elements in flight have been reported.
        log_failures_of(drain_without_loop, node, but_undelivered=True)
    return ends


def _come_to_rest(together: list[Pipeline], left: Callable[[], float]) -> bool:
    """Stop the sources of pipelines, and wait until no element is in flight; return whether that was reached."""
    import time

    nodes = [node for pipeline in together for node in pipeline.nodes()[:1] if _goes_on_by_itself(node)]
    for node in nodes:
        node._cut_cycles()
        lifecycle.stop_sources(node)
    silence = countdown(SILENCE, None)
    looks = 0
    while nodes:
        busy = [node for node in nodes if not node._is_pipeline_idle()]
        # An element may be between two loops at this moment.
        looks = 0 if busy else looks + 1
        if looks == _LOOKS:
            break
        if left() <= _LOOK:
            return False
        if silence() <= _LOOK:
            for node in busy:
                say_what_is_waited_for(node)
        time.sleep(_LOOK)
    return True


def _goes_on_by_itself(node: Stream) -> bool:
    """Whether elements of a pipeline arrive while this thread waits."""
    loop = node._event_loop
    return loop is None or (loop.is_running() and not hasattr(loop, "step") and loops.running() is not loop)


def log_failures_of(drain: Callable[..., Any], *args: Any, but_undelivered: bool = False) -> None:
    """Drain a pipeline; log failures, and undelivered elements unless they are reported anyway."""
    try:
        drain(*args)
    except UndeliveredError as error:
        if not but_undelivered:
            logger().error("%s", error)
        for exception in error.exceptions:
            log_failure(exception)
    except Exception as error:
        if not is_refusal(error):
            log_failure(error)


def _drain_now(node: Stream, seconds: float) -> None:
    loop = node._event_loop
    if loop is None:
        _await_leaving(node, seconds)
        lifecycle.drain(node, seconds, False)
    elif hasattr(loop, "step"):
        # On a virtual clock nobody waits for the time that passes.
        drained = lifecycle.drain(node, max(seconds, lifecycle.PATIENCE), False)
        if hasattr(drained, "__await__"):
            loop.run_until_complete(drained)
    elif loop.is_running():
        _drain_elsewhere(node, loop, seconds)
    else:
        # The loop is the user's, and has ended.
        loop.run_until_complete(lifecycle.drain(node, seconds, True))


def _await_leaving(node: Stream, seconds: float) -> None:
    """Wait until no other thread is inside a pipeline: draining it would wait without an end."""
    import time

    left, silence = countdown(seconds, None), countdown(SILENCE, None)
    said = False
    node._close()
    while node._in_flight() is None:
        if left() <= _LOOK:
            raise UndeliveredError(f"a function of {node}'s pipeline does not return on its thread", [], [])
        if not said and silence() <= _LOOK:
            said = True
            say_what_is_waited_for(node)
        time.sleep(_LOOK)


def _drain_elsewhere(node: Stream, loop: AbstractEventLoop, seconds: float) -> None:
    """Drain a pipeline whose loop runs on another thread, which may be stuck."""
    import asyncio
    from concurrent.futures import TimeoutError

    if asyncio._get_running_loop() is loop:
        return
    limit = seconds + _GRACE
    draining = loops.start(loop, lambda: lifecycle.drain(node, seconds, True))
    with lifecycle.NotingDrained(node):
        try:
            try:
                draining.result(min(limit, SILENCE))
            except TimeoutError:
                if draining.done() or limit <= SILENCE:
                    raise
                say_what_is_waited_for(node)
                draining.result(limit - SILENCE)
        except TimeoutError:
            if draining.done():
                raise
            message = (
                f"the event loop of {node} is stuck, or at work for longer than {limit:g} s: its elements are left"
            )
            raise UndeliveredError(message, [], []) from None


def open_again(node: Stream) -> None:
    """Have a pipeline accept elements of another one while both are drained: called by the engine."""
    if pipelines.is_drained(node._pipeline):
        reopen(node)


def reopen(node: Stream) -> None:
    """Reopen a pipeline for elements that an exit handler emits after the drain: called by the engine."""
    node._reopen()
    pipelines.note_reopened(node._pipeline)
    _reopened.add(node._pipeline)


def drain_again(node: Stream) -> None:
    """Drain a reopened pipeline again, with those it emits into: called by the engine."""
    if node._has_late():
        node._reopen()
        pipelines.note_reopened(node._pipeline)
    _drain([node._pipeline], PATIENCE_AT_EXIT)
    _end_all()
    _thalweg.await_visitors()


# Event loops of users that end before their pipelines do.


def are_idle_on(loop: AbstractEventLoop) -> bool:
    """Whether no element is in flight in any pipeline on a loop."""
    return all(node._in_flight() == 0 for first in nodes_on(loop) for node in first._pipeline.nodes())


def tell_of_closed(loop: AbstractEventLoop) -> None:
    """Report the elements in flight when an event loop was closed: called by the engine."""
    loops.forget_calls(loop)
    _tell_of_loss([node._pipeline for node in nodes_on(loop)])


def nodes_on(loop: AbstractEventLoop) -> list[Stream]:
    """Return a node of each pipeline on a loop."""
    return [node for pipeline in alive() for node in pipeline.nodes()[:1] if node._event_loop is loop]


def _tell_of_loss(stranded: list[Pipeline]) -> None:
    lost = _describe(stranded, with_cancelled=True)
    # A pipeline that a thread is inside of shows nothing: the end of the program asks again.
    _told.update(pipeline for pipeline in stranded if _describe([pipeline]))
    if lost:
        logger().error(
            "the event loop was closed with %s on the way; "
            "end the pipeline before its loop: `async with source:`, or `await source.drain()`",
            lost,
        )


def _describe(of: Iterable[Pipeline], with_cancelled: bool = False) -> str:
    """Say how many elements are in flight, and where: empty if none are."""
    told, count = [], 0
    for pipeline in of:
        nodes = pipeline.nodes()
        if not nodes:
            continue
        held = {str(node): node._in_flight() or 0 for node in nodes}
        if with_cancelled:
            for name in _cancelled(nodes[0]):
                held[name] = held.get(name, 0) + 1
        held = {name: number for name, number in held.items() if number}
        if held:
            count += sum(held.values())
            told.append(f"{nodes[0]} ({', '.join(f'{number} in {name}' for name, number in held.items())})")
    return f"{count} element{'s' if count != 1 else ''} of {', '.join(told)}" if told else ""


def _cancelled(node: Stream) -> list[str]:
    """Return the nodes whose calls were cancelled; log other failures that nobody has received."""
    import asyncio

    cancelled = []
    for name, error in node._take_failures():
        if isinstance(error.__cause__, asyncio.CancelledError):
            cancelled.append(name)
        else:
            log_failure(error)
    return cancelled


def say_what_is_waited_for(node: Stream) -> None:
    """Say once what is in flight in a pipeline, and how to end without it."""
    if node._pipeline in _said:
        return
    _said.add(node._pipeline)
    what = _describe([node._pipeline]) or f"what is on its way in {node}"
    _say(f"delivering {what}; Ctrl-C leaves at once, without them")


def _say_late(end: SystemExit) -> None:
    """Say that a function has asked for the end of the program too late to choose its exit code."""
    if end.code not in (None, 0):
        where = "; ".join(getattr(end, "__notes__", []))
        _say(f"{end!r}{where and f', raised {where},'} came when the program had ended: it has no say in the exit code")


def _say(text: str) -> None:
    logger().warning("%s", text)
