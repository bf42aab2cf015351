"""Time of the garbage collector per node of a pipeline."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import streamz
from measure import Case, Contender, Target

import thalweg


def collection() -> Case:
    return Case(
        "a collection with a wide pipeline alive, per node; thalweg is to be within 2 times streamz, at any width",
        [
            Contender("thalweg", _collecting(thalweg), 100_000),
            Contender("thalweg 1,000", _collecting(thalweg), 1_000),
            Contender("streamz", _collecting(streamz), 8_000),
        ],
        [Target("streamz", 2.0), Target("thalweg 1,000", 1.5)],
    )


def _collecting(package: Any) -> Callable[[int], float]:
    def run(nodes: int) -> float:
        # Other live objects cost time too.
        gc.collect()
        start = time.perf_counter_ns()
        gc.collect()
        empty = time.perf_counter_ns() - start
        source = package.Stream()
        held = [source.map(str) for _ in range(nodes)]
        gc.collect()
        start = time.perf_counter_ns()
        gc.collect()
        taken = time.perf_counter_ns() - start - empty
        del source, held
        return taken / nodes

    return run
