"""Functions that are watched at work: which ran when, and where their time goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def watched(engine: Any, function: F, key: Any = None) -> F:
    """Return a function whose calls are recorded, and whose stacks are looked at, for those who have asked for it.

    Only who asks for it imports what does it.
    """
    records = sys.modules.get("thalweg.tasks.client.records")
    if records is None:
        return function
    found: F = records.recorded(engine, function, key)
    profiling = sys.modules.get("thalweg.tasks.client.profiling")
    if profiling is not None:
        from thalweg.tasks.client.tokenize import name_of

        found = profiling.sampled(engine, found, name_of(function) if key is None else key)
    return found
