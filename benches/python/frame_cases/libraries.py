"""The same aggregations of Polars' and Arrow's frames, beside pandas'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from measure import Case, Contender, Target

import thalweg
from frame_cases.data import Feed
from thalweg.dataframe import DataFrame


def polars() -> Case:
    return _sums("Polars", _polars)


def arrow() -> Case:
    return _sums("Arrow", _arrow)


def grouped_polars() -> Case:
    return _grouped("Polars", _polars)


def grouped_arrow() -> Case:
    return _grouped("Arrow", _arrow)


def _polars(frame: Any) -> Any:
    import polars as pl

    return pl.from_pandas(frame.reset_index(names="t"))


def _arrow(frame: Any) -> Any:
    import pyarrow as pa

    return pa.table(frame.reset_index(names="t"))


def _sums(name: str, convert: Callable[[Any], Any]) -> Case:
    def build(stream: Any, example: Any) -> Any:
        return DataFrame(stream, example).x.sum()

    return _beside(f"sdf.x.sum() over batches of 1,000 rows of {name}, per batch", build, convert)


def _grouped(name: str, convert: Callable[[Any], Any]) -> Case:
    def build(stream: Any, example: Any) -> Any:
        return DataFrame(stream, example).window(n=100_000).groupby("k").x.mean()

    title = f"groupby(k).x.mean() over a window of 100,000 rows of {name}, batches of 1,000, per batch"
    return _beside(title, build, convert)


def _beside(title: str, build: Callable[[Any, Any], Any], convert: Callable[[Any], Any]) -> Case:
    return Case(
        title,
        [
            Contender("thalweg", Feed(thalweg.Stream, build, convert, before=150).run, 200),
            Contender("pandas", Feed(thalweg.Stream, build, before=150).run, 200),
        ],
        [Target("pandas", 1 / 2)],
    )
