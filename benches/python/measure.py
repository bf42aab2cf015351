"""Measuring contenders side by side."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A contender: a function that does the work for a number of elements."""

    name: str
    run: Callable[[int], float | None]
    """Does the work. Its result, if any, is the figure per element; otherwise the call is timed."""
    elements: int


@dataclass(frozen=True)
class Target:
    """Maximum ratio of thalweg's time to another contender's."""

    than: str
    ratio: float


@dataclass(frozen=True)
class Limit:
    """Maximum for thalweg, in the measured unit: nanoseconds or bytes."""

    most: float


@dataclass(frozen=True)
class Case:
    """Contenders at the same work, and the targets."""

    name: str
    contenders: list[Contender]
    targets: list[Target | Limit]
    unit: str = "ns"


def medians(case: Case, rounds: int) -> dict[str, float]:
    """Return nanoseconds per element. Each round runs every contender, so that all see the same machine."""
    times: dict[str, list[float]] = {contender.name: [] for contender in case.contenders}
    for contender in case.contenders:
        contender.run(min(contender.elements, 100))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for contender in case.contenders:
                start = time.perf_counter_ns()
                figure = contender.run(contender.elements)
                if figure is None:
                    figure = (time.perf_counter_ns() - start) / contender.elements
                times[contender.name].append(figure)
                gc.collect()
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}


def report(case: Case, results: dict[str, float]) -> bool:
    """Print a table, and return whether all targets were met."""
    print(f"\n{case.name}")
    for name, nanoseconds in results.items():
        figure = nanoseconds / 1e6 if case.unit == "ms" else nanoseconds
        print(f"  {name:<13} {figure:>12,.{1 if figure < 1000 else 0}f} {case.unit}")
    reached = True
    for target in case.targets:
        if isinstance(target, Limit):
            good = results["thalweg"] <= target.most
            reached = reached and good
            print(f"  {'reached' if good else 'MISSED':<13} at most {target.most:,.0f} {case.unit}")
            continue
        if target.than not in results or "thalweg" not in results:
            continue
        ratio = results["thalweg"] / results[target.than]
        good = ratio <= target.ratio
        reached = reached and good
        said = f"{ratio:.2f} times" if target.ratio >= 0.9 else f"{1 / ratio:.3g} times faster than"
        wanted = f"at most {target.ratio}" if target.ratio >= 0.9 else f"at least {1 / target.ratio:.4g}"
        print(f"  {'reached' if good else 'MISSED':<13} {said} {target.than}; {wanted}")
    return reached
