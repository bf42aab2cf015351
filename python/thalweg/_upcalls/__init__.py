"""Everything of Python's side that the engine calls by name: Rust imports this package, and nothing else of thalweg.

So the linter and the type checker see what Rust depends on. Streams use this module; streams on engines and tasks,
which are imported when they are first used, have one of their own.
"""

from __future__ import annotations

from thalweg.errors import (
    BuildError,
    ClosedError,
    Failure,
    PipelineError,
    Retry,
    UndeliveredError,
    add_note,
    log_failure,
    logs_at_once,
)
from thalweg.errors import together as combined
from thalweg.runtime.intervals import check_interval, convert_interval
from thalweg.runtime.loop_end import watch_loop
from thalweg.runtime.loops import begin_call, is_in_call, together
from thalweg.runtime.loops import find as find_loop
from thalweg.runtime.pipelines import register
from thalweg.runtime.program_end import are_idle_on, drain_again, open_again, reopen, tell_of_closed
from thalweg.sources.source import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def compile_chains(pipeline: Any) -> Any:
    """Chains of a pipeline's nodes, compiled."""
    from thalweg.stream.compiled import compile_chains

    return compile_chains(pipeline)


def check_waiting(loop: object) -> None:
    """Raise an error if a loop's thread waits for the calling thread, which waits for the loop."""
    from thalweg.runtime.contention import check

    check(loop)


def say_waiting(seconds: float, on_loop: bool) -> None:
    """Log what the calling thread waits for inside a pipeline."""
    from thalweg.runtime.contention import say

    say(seconds, on_loop)


def warn_of_loss(node: Any, count: int) -> None:
    """Warn that a node is freed with elements that a drain would have delivered."""
    from thalweg.runtime.lifecycle import warn_of_loss

    warn_of_loss(node, count)


__all__ = [
    "BuildError",
    "ClosedError",
    "Failure",
    "Interrupted",
    "PipelineError",
    "Retry",
    "UndeliveredError",
    "add_note",
    "are_idle_on",
    "begin_call",
    "check_interval",
    "check_waiting",
    "combined",
    "compile_chains",
    "convert_interval",
    "drain_again",
    "find_loop",
    "is_in_call",
    "log_failure",
    "logs_at_once",
    "open_again",
    "register",
    "reopen",
    "say_waiting",
    "tell_of_closed",
    "together",
    "warn_of_loss",
    "watch_loop",
]
