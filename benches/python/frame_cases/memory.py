"""Memory of a window."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from measure import Case, Contender, Limit

import thalweg
from frame_cases.data import Feed, make_batches
from thalweg.dataframe import DataFrame


def memory() -> Case:
    frame = make_batches(0, 1)[0]
    raw = sum(frame[name].to_numpy().nbytes for name in frame.columns) / len(frame)
    return Case(
        "memory of a window of a million rows, by group, per row; what it holds are two columns of 8 bytes a row",
        [Contender("thalweg", _held(), 1000)],
        [Limit(2 * raw)],
        unit="bytes",
    )


def _held() -> Callable[[int], float]:
    def run(batches: int) -> float:
        rows = 1000 * batches
        feed = Feed(thalweg.Stream, lambda s, e: DataFrame(s, e).window(n=rows).groupby("k").x.mean())
        gc.collect()
        tracemalloc.start()
        try:
            # One and a half times its size, so that rows have left.
            for _ in range(15):
                feed.run(max(batches // 10, 1))
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / rows
        finally:
            tracemalloc.stop()

    return run
