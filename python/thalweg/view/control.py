"""Control of pipelines from the dashboard, where it is allowed."""

from __future__ import annotations

import weakref

from thalweg.sources.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg.stream import Stream

#: Time limit of a drain that is requested there.
_DRAIN_LIMIT = "1 min"

#: Sources that were paused there, and not started since.
_paused: weakref.WeakSet[Source[Any]] = weakref.WeakSet()


def control(node: Stream, action: str) -> str:
    """Pause, resume or drain a node's pipeline, and return a line that describes the result.

    Parameters
    ----------
    node:
        Any node of the pipeline.
    action: str
        ``"pause"``, ``"resume"`` or ``"drain"``.

    Raises
    ------
    UndeliveredError
        Not everything could be delivered in a minute.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> from thalweg.view.control import control
    >>> ticks = Stream.from_periodic(lambda: "tick", "1s", loop=VirtualClock(), start=True)
    >>> control(ticks, "pause"), control(ticks, "pause"), control(ticks, "resume")
    ('paused: 1 source was stopped', 'no source runs', 'resumed: 1 source runs again')
    """
    if action == "drain":
        return _drain(node)
    sources = [each for each in node._pipeline.nodes() if isinstance(each, Source)]
    if action == "pause":
        running = [source for source in sources if not source.stopped]
        for source in running:
            source.stop()
            _paused.add(source)
        return f"paused: {_count(running, 'was', 'were')} stopped" if running else "no source runs"
    stopped = [source for source in sources if source in _paused]
    for source in stopped:
        _paused.discard(source)
        source.start()
    return f"resumed: {_count(stopped, 'runs', 'run')} again" if stopped else "no source was paused"


def _count(sources: list[Any], one: str, more: str) -> str:
    return f"1 source {one}" if len(sources) == 1 else f"{len(sources)} sources {more}"


def _drain(node: Stream) -> str:
    import asyncio

    result = node.drain(_DRAIN_LIMIT)
    if asyncio.iscoroutine(result):
        # An asynchronous pipeline whose loop does not run: it ends with its loop.
        result.close()
        raise RuntimeError("the event loop of the pipeline does not run")
    return "drained"
