"""Inputs of the aggregation cases: batches of a thousand rows, and the feed that emits them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

#: Rows per batch.
ROWS = 1000
#: Number of groups.
KEYS = 100


def make_batches(first: int, count: int) -> list[pd.DataFrame]:
    """Return batches of rows, a millisecond apart."""
    generator = np.random.default_rng(first)
    made = []
    for i in range(first, first + count):
        index = pd.date_range("2024-01-01", periods=ROWS, freq="1ms") + pd.Timedelta(seconds=i)
        columns = {"x": generator.random(ROWS), "k": generator.integers(0, KEYS, ROWS)}
        made.append(pd.DataFrame(columns, index=index))
    return made


class Feed:
    """An endless feed of batches in ascending order into a pipeline.

    `build` gets a stream and an example batch, `convert` converts pandas frames to the emitted batches, and `before` is
    the number of batches emitted at the start.
    """

    def __init__(
        self,
        stream: Any,
        build: Callable[[Any, Any], Any],
        convert: Callable[[Any], Any] = lambda frame: frame,
        before: int = 0,
    ) -> None:
        self.convert = convert
        self.results: list[Any] = []
        self.source = stream()
        build(self.source, convert(make_batches(0, 1)[0].iloc[:5])).stream.sink(self.keep)
        self.sent = 0
        if before:
            self.run(before)

    def keep(self, result: Any) -> None:
        self.results = [result]

    def run(self, n: int) -> float:
        """Emit `n` batches; return nanoseconds per batch."""
        chosen = [self.convert(batch) for batch in make_batches(self.sent, n)]
        start = time.perf_counter_ns()
        for batch in chosen:
            self.source.emit(batch)
        taken = time.perf_counter_ns() - start
        self.sent += n
        return taken / n
