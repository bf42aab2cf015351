"""Single rows converted to frames."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamz
import streamz.dataframe
from measure import Case, Contender, Target

import thalweg

EXAMPLE = pd.DataFrame({"x": [0.0], "k": [0]})


def rows() -> Case:
    return Case(
        "rows through to_dataframe and x.sum(), per row; thalweg makes frames of 1,000, streamz has one for each",
        [Contender("thalweg", _batched, 200_000), Contender("streamz", _one_by_one, 1000)],
        [Target("streamz", 1 / 20)],
    )


def _batched(n: int) -> None:
    source = thalweg.Stream()
    totals: list[Any] = source.to_dataframe(EXAMPLE, n=1000).x.sum().stream.sink_to_list()
    emit = source.emit
    for i in range(n):
        emit({"x": 1.0, "k": i})
    source.drain()
    assert totals[-1:] in ([], [n], [n - n % 1000])


def _one_by_one(n: int) -> None:
    source = streamz.Stream()
    frames = source.map(lambda row: pd.DataFrame([row]))
    totals: list[Any] = streamz.dataframe.DataFrame(frames, EXAMPLE).x.sum().stream.sink_to_list()
    for i in range(n):
        source.emit({"x": 1.0, "k": i})
    assert totals[-1] == n
