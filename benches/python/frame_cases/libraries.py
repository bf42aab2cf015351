"""The same aggregations of Polars' and Arrow's frames, beside pandas'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from measure import Case, Contender, Target

import thalweg
from frame_cases.data import Feed
from thalweg.dataframe import DataFrame


def polars() -> Case:
    import polars as pl

    return _beside("Polars", lambda frame: pl.from_pandas(frame.reset_index(names="t")))


def arrow() -> Case:
    import pyarrow as pa

    return _beside("Arrow", lambda frame: pa.table(frame.reset_index(names="t")))


def _beside(name: str, convert: Callable[[Any], Any]) -> Case:
    def build(stream: Any, example: Any) -> Any:
        return DataFrame(stream, example).window(n=100_000).groupby("k").x.mean()

    return Case(
        f"groupby(k).x.mean() over a window of 100,000 rows of {name}, batches of 1,000, per batch",
        [
            Contender("thalweg", Feed(thalweg.Stream, build, convert, before=150).run, 200),
            Contender("pandas", Feed(thalweg.Stream, build, before=150).run, 200),
        ],
        [Target("pandas", 1 / 2)],
    )
