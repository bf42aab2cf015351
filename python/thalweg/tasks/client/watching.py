"""Functions that are recorded and profiled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def watched(engine: Any, function: F, key: Any = None) -> F:
    """Return a function whose calls are recorded and sampled, if that has been requested.

    The modules for it are imported only then.
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
