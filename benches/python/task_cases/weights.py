"""Memory per task, large values, and work for several cores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Case, Contender, Limit, Target

from task_cases import clusters

WEIGH = """
import os, sys, threading
from thalweg.tasks import Client

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

count = int(sys.argv[1])
gate = threading.Event()
with Client(n_workers=1, threads_per_worker=1) as client:
    first = client.submit(gate.wait)
    before = resident()
    futures = client.map(abs, range(count))
    print((resident() - before) / count)
    gate.set()
"""


def pending() -> Case:
    """A million tasks waiting for one that does not end: bytes per task, not nanoseconds."""

    def weigh(n: int) -> float:
        # Leftovers of another round would distort the count.
        weighed = subprocess.run([sys.executable, "-c", WEIGH, str(n)], check=True, capture_output=True, text=True)
        return float(weighed.stdout)

    return Case(
        "a pending task's weight, a million of them, with its future and its argument",
        [Contender("thalweg", weigh, 1_000_000)],
        [Limit(600)],
        unit="bytes",
    )


def _chain(client: Any) -> Callable[[int], None]:
    data = np.ones(12_500_000)

    def run(n: int) -> None:
        for _ in range(n):
            future = client.submit(np.multiply, data, 2.0)
            future = client.submit(np.add, future, 1.0)
            result = client.submit(np.add, future, 1.0).result()
            assert result[-1] == 4.0

    return run


def large_array() -> Case:
    return Case(
        "100 MB through three tasks and back, two processes",
        [
            Contender("thalweg", _chain(clusters.ours(processes=True)), 1),
            Contender("dask", _chain(clusters.dask(processes=True)), 1),
        ],
        [Target("dask", 1.0)],
        unit="ms",
    )


def _count(n: int) -> int:
    total = 0
    for i in range(n):
        total += i & 7
    return total


def _crunch(client: Any) -> Callable[[int], None]:
    def run(n: int) -> None:
        client.gather(client.map(_count, [500_000] * n))

    return run


def two_cores() -> Case:
    return Case(
        "computing in Python, two processes against one; for each task",
        [
            Contender("thalweg", _crunch(clusters.ours(processes=True, workers=2)), 40),
            Contender("one process", _crunch(clusters.ours(processes=True, workers=1)), 40),
        ],
        [Target("one process", 1 / 1.85)],
        unit="ms",
    )
