"""Aggregations of pandas' frames."""

from __future__ import annotations

import time

import streamz
import streamz.dataframe
from measure import Case, Contender, Target

import thalweg
import thalweg.dataframe
from frame_cases.data import Feed, make_batches


def sums() -> Case:
    def plain(n: int) -> float:
        batches = make_batches(0, n)
        start = time.perf_counter_ns()
        total = 0.0
        for batch in batches:
            total += batch.x.sum()
        return (time.perf_counter_ns() - start) / n

    return Case(
        "sdf.x.sum() over batches of 1,000 rows, per batch",
        [
            Contender("thalweg", Feed(thalweg.Stream, lambda s, e: _ours(s, e).x.sum()).run, 1000),
            Contender("streamz", Feed(streamz.Stream, lambda s, e: _theirs(s, e).x.sum()).run, 1000),
            Contender("pandas", plain, 1000),
        ],
        [Target("streamz", 1 / 3), Target("pandas", 1.3)],
    )


def grouped() -> Case:
    ours = Feed(thalweg.Stream, lambda s, e: _ours(s, e).window(n=100_000).groupby("k").x.mean(), before=150)
    theirs = Feed(streamz.Stream, lambda s, e: _theirs(s, e).window(n=100_000).groupby("k").x.mean(), before=110)
    return Case(
        "groupby(k).x.mean() of 100 keys over a window of 100,000 rows, batches of 1,000, per batch",
        [Contender("thalweg", ours.run, 200), Contender("streamz", theirs.run, 20)],
        [Target("streamz", 1 / 10)],
    )


def rolling() -> Case:
    ours = Feed(thalweg.Stream, lambda s, e: _ours(s, e).rolling("10s").x.mean(), before=15)
    theirs = Feed(streamz.Stream, lambda s, e: _theirs(s, e).rolling("10s").x.mean(), before=15)
    return Case(
        "rolling('10s').x.mean() over 1,000 rows a second, batches of 1,000, per batch",
        [Contender("thalweg", ours.run, 100), Contender("streamz", theirs.run, 20)],
        [Target("streamz", 1 / 5)],
    )


def _ours(stream: object, example: object) -> thalweg.dataframe.DataFrame:
    return thalweg.dataframe.DataFrame(stream, example)


def _theirs(stream: object, example: object) -> streamz.dataframe.DataFrame:
    return streamz.dataframe.DataFrame(stream, example)
