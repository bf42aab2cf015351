"""The pipelines of this process, and which of them have been drained."""

from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from thalweg._thalweg import Pipeline

#: All pipelines, the oldest first.
_known: weakref.WeakKeyDictionary[Pipeline, None] = weakref.WeakKeyDictionary()

#: Pipelines whose drain has ended, whatever its result.
_drained: weakref.WeakSet[Pipeline] = weakref.WeakSet()

#: Functions to call with the first pipeline of a process.
_at_first: list[Callable[[], None]] = []

_has_first = False


def register(pipeline: Pipeline) -> None:
    """Register a pipeline, to drain it at the end of the program: called by the engine."""
    global _has_first
    _known[pipeline] = None
    if not _has_first:
        _has_first = True
        for function in _at_first:
            function()


def call_with_first(function: Callable[[], None]) -> None:
    """Have a function called when the process creates its first pipeline, since the import itself must do nothing."""
    _at_first.append(function)


def alive() -> list[Pipeline]:
    """Return the pipelines that have nodes, the oldest first.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.runtime.pipelines import alive
    >>> source = Stream()
    >>> source._pipeline in alive()
    True
    """
    return [pipeline for pipeline in list(_known) if not pipeline.is_joined and pipeline.nodes()]


def note_drained(pipeline: Pipeline) -> None:
    """Record that the drain of a pipeline has ended: it is not drained again."""
    _drained.add(pipeline)


def note_reopened(pipeline: Pipeline) -> None:
    """Record that a pipeline accepts elements again."""
    _drained.discard(pipeline)


def is_drained(pipeline: Pipeline) -> bool:
    """Return whether the drain of a pipeline has ended."""
    return pipeline in _drained


def _leave_to_parent() -> None:
    """Forget the parent's state in a forked process."""
    global _has_first
    from thalweg import _thalweg

    _thalweg.note_fork()
    for pipeline in list(_known):
        pipeline._leave_to_parent()
    _known.clear()
    _has_first = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
