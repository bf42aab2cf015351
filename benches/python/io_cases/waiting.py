"""Waiting for a number of elements."""

from __future__ import annotations

import threading
from typing import Any


class Counting:
    """A sink that signals when this many elements have arrived."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = threading.Event()

    def __call__(self, _: Any) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()

    def wait(self) -> None:
        """Wait until all have arrived, at most a minute."""
        if not self.done.wait(60):
            raise TimeoutError(f"{self.left} elements have not come")
