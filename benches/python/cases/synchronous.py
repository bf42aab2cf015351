"""Synchronous pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
import reactivex
import streamz
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main
from measure import Case, Contender, Target
from reactivex import operators as ops
from reactivex.subject import Subject

import thalweg
from cases.work import add, ignore, increment, is_even


def emitting(package: Any, build: Callable[[Any], Any]) -> Callable[[int], None]:
    source = package.Stream()
    held = build(source)

    def run(n: int) -> None:
        emit = source.emit
        for x in range(n):
            emit(x)

    run.held = held  # type: ignore[attr-defined]
    return run


def _subject(*operators: Any) -> Callable[[int], None]:
    subject: Subject[int] = Subject()
    subject.pipe(*operators).subscribe(ignore)

    def run(n: int) -> None:
        on_next = subject.on_next
        for x in range(n):
            on_next(x)

    return run


def loop_of_maps(maps: int) -> Callable[[int], None]:
    """The bare calls, written out."""

    def one(n: int) -> None:
        f, g = increment, ignore
        for x in range(n):
            g(f(x))

    def ten(n: int) -> None:
        f, g = increment, ignore
        for x in range(n):
            g(f(f(f(f(f(f(f(f(f(f(x)))))))))))

    return {1: one, 10: ten}[maps]


def _builtin(maps: int) -> Callable[[int], None]:
    """The calls made by the builtin `map`, which is written in C: calls from outside the
    interpreter's loop always cost more than those from inside.
    """

    def run(n: int) -> None:
        elements: Any = range(n)
        for _ in range(maps):
            elements = map(increment, elements)
        for _ in map(ignore, elements):
            pass

    return run


def maps_of(source: Any, maps: int) -> Any:
    for _ in range(maps):
        source = source.map(increment)
    return source.sink(ignore)


def _maps_case(name: str, maps: int, ratio: float) -> Case:
    return Case(
        name,
        [
            Contender("plain loop", loop_of_maps(maps), 100_000),
            Contender("builtin map", _builtin(maps), 100_000),
            Contender("thalweg", emitting(thalweg, lambda s: maps_of(s, maps)), 100_000),
            Contender("streamz", emitting(streamz, lambda s: maps_of(s, maps)), 2_000),
            Contender("reactivex", _subject(*[ops.map(increment)] * maps), 10_000),
        ],
        [Target("plain loop", ratio)],
    )


def chain() -> Case:
    return _maps_case("emit, map, sink", 1, 1.8)


def maps() -> Case:
    return _maps_case("emit, ten maps, sink", 10, 1.2)


def together() -> Case:
    def emit_many() -> Callable[[int], None]:
        source = thalweg.Stream()
        run = maps_of(source, 1)

        def all_at_once(n: int) -> None:
            source.emit_many(range(n))

        all_at_once.held = run  # type: ignore[attr-defined]
        return all_at_once

    def dataflow(n: int) -> None:
        flow = Dataflow("bench")
        stream = op.input("in", flow, TestingSource(range(n), batch_size=1_000))
        stream = op.map("map", stream, increment)
        op.output("out", stream, TestingSink([]))
        run_main(flow)

    return Case(
        "emit_many, map, sink",
        [
            Contender("plain loop", loop_of_maps(1), 100_000),
            Contender("builtin map", _builtin(1), 100_000),
            Contender("thalweg", emit_many(), 100_000),
            Contender("streamz", emitting(streamz, lambda s: maps_of(s, 1)), 2_000),
            Contender("bytewax", dataflow, 100_000),
            Contender("reactivex", lambda n: _pipe_of_range(n), 10_000),
        ],
        [Target("plain loop", 1.1), Target("bytewax", 1.0)],
    )


def _pipe_of_range(n: int) -> None:
    reactivex.from_iterable(range(n)).pipe(ops.map(increment)).subscribe(ignore)


def mixed() -> Case:
    def build(source: Any) -> Any:
        return source.map(increment).filter(is_even).accumulate(add, start=0).sink(ignore)

    def loop(n: int) -> None:
        total = 0
        for x in range(n):
            y = increment(x)
            if is_even(y):
                total = add(total, y)
                ignore(total)

    return Case(
        "map, filter, accumulate, sink",
        [
            Contender("plain loop", loop, 100_000),
            Contender("thalweg", emitting(thalweg, build), 100_000),
            Contender("streamz", emitting(streamz, build), 2_000),
            Contender("reactivex", _subject(ops.map(increment), ops.filter(is_even), ops.scan(add, 0)), 10_000),
        ],
        [Target("streamz", 1 / 30)],
    )


def partitions() -> Case:
    def build(source: Any) -> Any:
        return source.partition(10).flatten().sink(ignore)

    return Case(
        "partition(10), flatten",
        [
            Contender("thalweg", emitting(thalweg, build), 50_000),
            Contender("streamz", emitting(streamz, build), 500),
        ],
        [Target("streamz", 1 / 100)],
    )
