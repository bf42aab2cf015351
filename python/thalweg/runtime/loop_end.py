"""The end of a user's event loop: elements in flight are delivered first.

`asyncio.run` cancels all tasks when its main function has returned, and then closes the asynchronous generators of the
loop. Each loop with pipelines has such a generator, which waits for them; and the calls of their functions are tasks
that nobody else cancels.
"""

from __future__ import annotations

import sys
import weakref

from thalweg.runtime import lifecycle, loops, program_end
from thalweg.runtime.lifecycle import countdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator

#: Time for calls that are finally cancelled, in seconds.
_PATIENCE_WITH_CANCELLED = 1.0


def watch_loop(loop: AbstractEventLoop) -> None:
    """Have the end of a loop wait for its pipelines: called by the engine, on the loop."""
    if hasattr(loop, "_thalweg_end"):
        return
    end = _end(weakref.ref(loop))
    # Without a finalizer, which would keep the loop alive: the generator must live exactly as long as the loop.
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        end.asend(None).send(None)
    except StopIteration:
        pass
    finally:
        sys.set_asyncgen_hooks(*hooks)
    if hooks.firstiter is None:
        return
    try:
        loop._thalweg_end = end  # type: ignore[attr-defined]
    except AttributeError:
        # A loop written in C that accepts no attributes.
        return
    hooks.firstiter(end)


async def _end(weak_loop: weakref.ref[AbstractEventLoop]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        loop = weak_loop()
        # Otherwise nobody closes it: the loop is gone.
        if loop is not None and loop.is_running():
            await _deliver(loop)


async def _deliver(loop: AbstractEventLoop) -> None:
    """Wait until no element is in flight in a loop's pipelines; the rest is reported when the loop is closed."""
    import asyncio

    left = countdown(program_end.PATIENCE_AT_EXIT, loop)
    nodes = [node for node in program_end.nodes_on(loop) if node.asynchronous]
    for node in nodes:
        for source in node._pipeline.nodes():
            if hasattr(source, "_end"):
                source.stop()
    busy = nodes
    while busy:
        for node in busy:
            idle = asyncio.ensure_future(lifecycle.until_idle(node, left(), asynchronous=True))
            done, _ = await asyncio.wait({idle}, timeout=program_end.SILENCE)
            if not done:
                program_end.say_what_is_waited_for(node)
            await asyncio.wait({idle})
            program_end.log_failures_of(idle.result, but_undelivered=True)
        # One may have emitted into another that had been idle before.
        busy = [node for node in nodes if not node._is_pipeline_idle()] if left() > lifecycle.LEAST else []
    calls = loops.calls_on(loop)
    for call in calls:
        call.cancel()
    if calls:
        await asyncio.wait(calls, timeout=_PATIENCE_WITH_CANCELLED)
