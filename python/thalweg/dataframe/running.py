"""Totals over everything that has come so far, one frame after another.

Each function takes the state so far, None at first, and a frame; it returns the next state and the total.
"""

from __future__ import annotations

from typing import Any


def total(state: Any, frame: Any) -> tuple[Any, Any]:
    """Add up values, by column."""
    state = _plus(state, frame.sum())
    return state, state


def count(state: Any, frame: Any) -> tuple[Any, Any]:
    """Count values that are there, by column."""
    state = _plus(state, frame.count())
    return state, state


def size(state: Any, frame: Any) -> tuple[Any, Any]:
    """Count values, there or not."""
    state = _plus(state, frame.size)
    return state, state


def mean(state: Any, frame: Any) -> tuple[Any, Any]:
    """Average values, by column."""
    totals, counts = (None, None) if state is None else state
    totals, counts = _plus(totals, frame.sum()), _plus(counts, frame.count())
    return (totals, counts), totals / counts


def _plus(state: Any, new: Any) -> Any:
    return new if state is None else state + new
