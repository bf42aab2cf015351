"""How pipelines end."""

from __future__ import annotations

import weakref

from thalweg.intervals import convert_interval

#: Every pipeline that is alive.
_pipelines: weakref.WeakSet = weakref.WeakSet()

#: How long a drain may take, in seconds, where nothing else is said.
PATIENCE = 60.0

_at_exit_is_set = False


def register(pipeline):
    """Take note of a pipeline, to drain it at the end of the program."""
    global _at_exit_is_set
    _pipelines.add(pipeline)
    if not _at_exit_is_set:
        _at_exit_is_set = True
        _drain_at_exit()


def _drain_at_exit():
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


def drain(node, timeout, asynchronous):
    """End a node's pipeline: its sources, and then what is on its way."""
    seconds = PATIENCE if timeout is None else convert_interval(timeout)
    runs = _stop_sources(node)
    if asynchronous or (node.asynchronous and node._event_loop is not None):
        return _drain_async(node, seconds, runs)
    for run in runs:
        _wait_for(node, run, seconds)
    result = node._drain(seconds, False)
    _flush_files(node)
    for end in _ends(node):
        import asyncio

        asyncio.run_coroutine_threadsafe(end(), node._event_loop)
    return result


def _stop_sources(node):
    """Have the sources of a pipeline come to an end; return their runs, to wait for."""
    ends = (getattr(other, "_end", None) for other in node._pipeline.nodes())
    return [run for run in (end() for end in ends if end is not None) if run is not None]


async def _drain_async(node, seconds, runs):
    import asyncio

    for run in runs:
        try:
            await asyncio.wait_for(run.wait(), seconds)
        except asyncio.TimeoutError:
            break
    waiting = node._drain(seconds, True)
    if waiting is not None:
        await waiting
    _flush_files(node)
    for end in _ends(node):
        # It waits for whoever iterates, which may be whoever has asked for the drain.
        asyncio.ensure_future(end())


def _wait_for(node, run, seconds):
    loop = node._event_loop
    step = getattr(loop, "step", None)
    if step is None:
        run.wait_in_thread(seconds)
        return
    # A virtual clock: nobody else runs the loop.
    until = loop.time() + seconds
    while not run.wait_in_thread(0) and loop.time() < until:
        step()


def _flush_files(node):
    for other in node._pipeline.nodes():
        flush = getattr(other, "_flush_sink", None)
        if flush is not None:
            flush()


def _ends(node):
    """What is to be called when everything has come out of the nodes of a pipeline."""
    ends = (getattr(other, "_on_end", None) for other in node._pipeline.nodes())
    return [end for end in ends if end is not None]


def drain_all(timeout=None):
    """Drain every pipeline of the program; what could not be delivered is written to the log.

    It is what happens at the end of a program by itself.
    """
    for pipeline in list(_pipelines):
        if pipeline.is_joined:
            continue
        nodes = pipeline.nodes()
        if not nodes:
            continue
        try:
            _drain_now(nodes[0], timeout)
        except Exception as error:
            from thalweg.errors import ClosedError, log_failure

            if not isinstance(error, ClosedError):
                log_failure(error)


def _drain_now(node, timeout):
    loop = node._event_loop
    if loop is None or not (node.asynchronous or loop.is_closed()):
        drain(node, timeout, False)
        return
    # The loop is the user's: it has ended, or is about to.
    if loop.is_running():
        return
    if not loop.is_closed():
        loop.run_until_complete(drain(node, timeout, True))
        return
    _stop_sources(node)
    seconds = PATIENCE if timeout is None else convert_interval(timeout)
    waiting = node._drain(seconds, True)
    _flush_files(node)
    if waiting is not None and not waiting.done():
        from thalweg.errors import UndeliveredError

        raise UndeliveredError("the event loop was closed before everything had been delivered", [], [])
