"""What is aggregated: batches of a thousand rows, and the pipelines that do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

#: Rows of a batch.
ROWS = 1000
#: Groups that the rows belong to.
KEYS = 100


def make_batches(first: int, count: int) -> list[pd.DataFrame]:
    """Batches of rows that are a millisecond apart."""
    generator = np.random.default_rng(first)
    made = []
    for i in range(first, first + count):
        index = pd.date_range("2024-01-01", periods=ROWS, freq="1ms") + pd.Timedelta(seconds=i)
        columns = {"x": generator.random(ROWS), "k": generator.integers(0, KEYS, ROWS)}
        made.append(pd.DataFrame(columns, index=index))
    return made


class Feed:
    """Batches without end, in ascending order, sent into a pipeline.

    `build` gets a stream and an example of its batches, `convert` makes of pandas' frames what is sent, and `before`
    says how many are sent to begin with.
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
        """Send `n` batches: nanoseconds for one."""
        chosen = [self.convert(batch) for batch in make_batches(self.sent, n)]
        start = time.perf_counter_ns()
        for batch in chosen:
            self.source.emit(batch)
        taken = time.perf_counter_ns() - start
        self.sent += n
        return taken / n
