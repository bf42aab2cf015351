"""Pipelines that get batches, and the cost of building one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamz
from measure import Case, Contender, Target

import thalweg
from cases.synchronous import emitting, loop_of_maps, maps_of
from cases.work import add, ignore, increment, is_even


def _together(build: Callable[[Any], Any]) -> Callable[[int], None]:
    source = thalweg.Stream()
    held = build(source)

    def run(n: int) -> None:
        source.emit_many(range(n))

    run.held = held  # type: ignore[attr-defined]
    return run


def ten_together() -> Case:
    return Case(
        "emit_many, ten maps, sink",
        [
            Contender("plain loop", loop_of_maps(10), 100_000),
            Contender("thalweg", _together(lambda s: maps_of(s, 10)), 100_000),
            Contender("streamz", emitting(streamz, lambda s: maps_of(s, 10)), 2_000),
        ],
        [Target("plain loop", 1.05)],
    )


def _mixed_loop(n: int) -> None:
    f, p, fold, g = increment, is_even, add, ignore
    total = 0
    for x in range(n):
        y = f(x)
        if p(y):
            total = fold(total, y)
            g(total)


def mixed_together() -> Case:
    def build(source: Any) -> Any:
        return source.map(increment).filter(is_even).accumulate(add, start=0).sink(ignore)

    return Case(
        "emit_many, map, filter, accumulate, sink",
        [
            Contender("plain loop", _mixed_loop, 100_000),
            Contender("thalweg", _together(build), 100_000),
            Contender("streamz", emitting(streamz, build), 2_000),
        ],
        [Target("plain loop", 1.15)],
    )


def forked() -> Case:
    def build(source: Any) -> Any:
        sums = [source.map(increment).filter(bool).accumulate(add, start=0) for _ in range(2)]
        return sums[0].zip(sums[1]).sink(ignore)

    def loop(n: int) -> None:
        f, p, fold, g = increment, bool, add, ignore
        one = two = 0
        for x in range(n):
            y = f(x)
            if p(y):
                one = fold(one, y)
            z = f(x)
            if p(z):
                two = fold(two, z)
            g((one, two))

    return Case(
        "two chains of map, filter, accumulate, and a zip behind them",
        [
            Contender("plain loop", loop, 50_000),
            Contender("thalweg", emitting(thalweg, build), 50_000),
            Contender("streamz", emitting(streamz, build), 1_000),
        ],
        [Target("plain loop", 2.0)],
    )


def forked_together() -> Case:
    def build(source: Any) -> Any:
        return source.map(increment).zip(source.map(increment)).sink(ignore)

    def loop(n: int) -> None:
        f, g = increment, ignore
        for x in range(n):
            g((f(x), f(x)))

    return Case(
        "emit_many, two maps, and a zip behind them",
        [
            Contender("plain loop", loop, 50_000),
            Contender("thalweg", _together(build), 50_000),
            Contender("streamz", emitting(streamz, build), 1_000),
        ],
        [],
    )


def united() -> Case:
    def build(source: Any) -> Any:
        return source.union(source.map(increment)).sink(ignore)

    def loop(n: int) -> None:
        f, g = increment, ignore
        for x in range(n):
            g(x)
            g(f(x))

    return Case(
        "a union of a stream and a map of it",
        [
            Contender("plain loop", loop, 50_000),
            Contender("thalweg", emitting(thalweg, build), 50_000),
            Contender("streamz", emitting(streamz, build), 1_000),
        ],
        [],
    )


def _file(n: int) -> Path:
    # In a folder of its own: watching one takes the longer, the more files it has had.
    folder = Path(tempfile.gettempdir()) / "thalweg-bench"
    folder.mkdir(exist_ok=True)
    path = folder / f"{n}.txt"
    path.write_text("".join(f"{x}\n" for x in range(n)))
    return path


def lines() -> Case:
    # So many that starting and draining, a millisecond or two, is a small part.
    n = 400_000
    path = _file(n)

    def loop(_: int) -> None:
        f, p, g = int, is_even, ignore
        with path.open() as file:
            for line in file:
                y = f(line)
                if p(y):
                    g(y)

    def piped(_: int) -> None:
        source = thalweg.Stream.from_textfile(str(path))
        sink = source.map(int).filter(is_even).sink(ignore)
        source.start()
        # The file is followed, so it does not end by itself.
        while sink.counters()["received"] < n // 2:
            time.sleep(0.0005)
        source.drain()

    return Case(
        "a text file, map, filter, sink",
        [Contender("plain loop", loop, n), Contender("thalweg", piped, n)],
        [Target("plain loop", 1.5)],
    )


def building() -> Case:
    """Nanoseconds per node of a thousand; the first element is emitted on a thread with a large stack."""

    def build(package: Any) -> Callable[[int], None]:
        def run(n: int) -> None:
            for _ in range(n // 1_000):
                source = node = package.Stream()
                for _ in range(1_000):
                    node = node.map(increment)
                if package is thalweg:
                    source.emit(1)

        return run

    return Case(
        "building 1,000 nodes, per node",
        [Contender("thalweg", build(thalweg), 10_000), Contender("streamz", build(streamz), 1_000)],
        [],
    )
