"""Compiled functions."""

from __future__ import annotations

import linecache
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["function_of"]

#: Maximum number of functions that are kept, for chains with the same code.
_KEPT = 256


_functions: dict[str, Any] = {}
_numbers = count(1)


def function_of(source: str) -> Any:
    """Compile a source text, so that tracebacks and profilers show it."""
    function = _functions.get(source)
    if function is None:
        if len(_functions) >= _KEPT:
            oldest = next(iter(_functions))
            linecache.cache.pop(_functions.pop(oldest).__code__.co_filename, None)
        name = f"<thalweg chain {next(_numbers)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        found: dict[str, Any] = {}
        exec(compile(source, name, "exec"), {"__name__": "thalweg.chain"}, found)
        function = _functions[source] = found["chain"]
    return function
