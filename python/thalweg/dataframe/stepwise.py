"""Aggregations that add new rows and take old ones out, as streamz's do: what `accumulate` calls for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from thalweg.dataframe.backend import backend_of

__all__ = ["accumulator", "diff_expanding", "diff_iloc", "diff_loc", "window_accumulator"]


def accumulator(acc: Any, new: Any, agg: Any = None) -> tuple[Any, Any]:
    """Add a batch to an aggregation over everything: the next state, and the result."""
    if acc is None:
        acc = agg.initial(new)
    state, result = agg.on_new(acc, new)
    return state, result


def diff_iloc(dfs: list[Any], new: Any, window: Any = None) -> tuple[list[Any], list[Any]]:
    """Pieces of the last `window` rows, and pieces of those that were among them and no longer are."""
    dfs = [*dfs, new] if len(new) else list(dfs)
    old = []
    excess = sum(map(len, dfs)) - window
    while excess > 0:
        oldest = dfs[0]
        backend = backend_of(oldest)
        if len(oldest) <= excess:
            old.append(dfs.pop(0))
        else:
            old.append(backend.slice(oldest, 0, excess))
            dfs[0] = backend.slice(oldest, excess, len(oldest))
        excess -= len(old[-1])
    return dfs, old


def diff_loc(dfs: list[Any], new: Any, window: Any = None) -> tuple[list[Any], list[Any]]:
    """Pieces of the rows less than `window` behind the latest, and pieces of those that no longer are."""
    dfs = [*dfs, new] if len(new) else list(dfs)
    if not dfs:
        return dfs, []
    threshold = max(df.index.max() for df in dfs) - pd.Timedelta(window)
    kept, old = [], []
    for df in dfs:
        is_new = df.index > threshold
        if not is_new.all():
            old.append(df[~is_new])
            df = df[is_new]
        if len(df):
            kept.append(df)
    return kept, old


def diff_expanding(dfs: list[Any], new: Any, window: Any = None) -> tuple[list[Any], list[Any]]:
    """Pieces of everything so far; nothing ever leaves."""
    return ([*dfs, new] if len(new) else list(dfs)), []


def window_accumulator(
    acc: Any,
    new: Any,
    diff: Callable[..., Any] = diff_iloc,
    window: Any = None,
    agg: Any = None,
    with_state: bool = False,
) -> tuple[Any, Any]:
    """Add a batch to an aggregation over a window, and take out what has left it: the next state, and the result."""
    if acc is None:
        acc = {"dfs": [], "state": agg.initial(new)}
    dfs, old = diff(acc["dfs"], backend_of(new).protect(new), window=window)
    state, result = agg.on_new(acc["state"], new)
    for piece in old:
        if len(piece):
            state, result = agg.on_old(state, piece)
    return {"dfs": dfs, "state": state}, result
