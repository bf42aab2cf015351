"""Counting messages."""

from __future__ import annotations

import functools
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

MESSAGE = b"x" * 100
"""A message; all have this length."""

LIMIT = 120
"""Seconds after which a contender has failed."""

_names = itertools.count()


def unique(name: str) -> str:
    """Return a name that no earlier run has used."""
    return f"bench-{name}-{os.getpid()}-{next(_names)}"


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-")


def scratch() -> str:
    """Return a directory for the state of peers, which is removed at the end."""
    return _scratch().name


class Meter:
    """A sink that times messages from the first to the last: joining a group takes seconds."""

    def __init__(self, count: int) -> None:
        self.count, self.left, self.first, self.last = count, count, 0, 0
        self.done = threading.Event()

    def __call__(self, length: int) -> None:
        if self.left == self.count:
            self.first = time.perf_counter_ns()
        self.left -= 1
        if not self.left:
            self.last = time.perf_counter_ns()
            self.done.set()

    def wait(self) -> float:
        """Wait for all messages; return nanoseconds per message."""
        if not self.done.wait(LIMIT):
            raise TimeoutError(f"{self.left} of {self.count} messages have not come")
        return (self.last - self.first) / self.count


def through_a_map(source: Any, length: Callable[[Any], int], count: int) -> float:
    """Run a source of thalweg through a `map` to a sink; return nanoseconds per message."""
    meter = Meter(count)
    source.map(length).sink(meter)
    source.start()
    figure = meter.wait()
    source.drain(LIMIT)
    return figure
