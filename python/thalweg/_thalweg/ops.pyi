"""Operators: each function takes Python's arguments, and makes the engine's operator at its placement.

This file is generated from Rust's functions by ``cargo xtask stubs``.
"""

from typing import Any

from thalweg._thalweg import Reset
from thalweg._types import Placement

__all__ = [
    "accumulate",
    "buffer",
    "collect",
    "combine_latest",
    "custom",
    "debounce",
    "delay",
    "filter",
    "flatten",
    "latest",
    "map",
    "map_async",
    "partition",
    "partition_unique",
    "pluck",
    "rate_limit",
    "sample",
    "shift",
    "sink",
    "sink_batches",
    "slice",
    "sliding_window",
    "stream",
    "throttle",
    "timed_window",
    "timed_window_unique",
    "unique",
    "zip",
    "zip_latest",
]

def accumulate(
    placement: Placement,
    function: Any,
    kwargs: dict[str, Any],
    start: tuple[Any] | None,
    *,
    returns_state: bool = False,
    with_state: bool = False,
    awaited: bool = False,
) -> tuple[Reset, list[Any]]: ...
def buffer(placement: Placement, n: int) -> None: ...
def collect(placement: Placement, n: int | None) -> None: ...
def combine_latest(placement: Placement, emit_on: list[int] | None) -> None: ...
def custom(placement: Placement, *, is_sink: bool = False) -> None: ...
def debounce(placement: Placement, interval: float) -> None: ...
def delay(placement: Placement, interval: float) -> None: ...
def filter(
    placement: Placement, predicate: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, awaited: bool = False
) -> None: ...
def flatten(placement: Placement) -> None: ...
def latest(placement: Placement) -> None: ...
def map(
    placement: Placement,
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    splayed: bool = False,
    awaited: bool = False,
    concurrency: int | None = None,
) -> None: ...
def map_async(
    placement: Placement, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], calls: int
) -> None: ...
def partition(placement: Placement, n: int, timeout: float | None, key: Any) -> None: ...
def partition_unique(placement: Placement, n: int, key: Any, keep_which: str) -> None: ...
def pluck(placement: Placement, pick: Any) -> None: ...
def rate_limit(placement: Placement, interval: float) -> None: ...
def sample(placement: Placement, interval: float) -> None: ...
def shift(placement: Placement, interval: float) -> None: ...
def sink(
    placement: Placement,
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    splayed: bool = False,
    in_turn: bool = False,
    concurrency: int | None = None,
) -> None: ...
def sink_batches(
    placement: Placement, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], waits: bool, max_len: int
) -> None: ...
def slice(placement: Placement, start: int | None, end: int | None, step: int | None) -> None: ...
def sliding_window(placement: Placement, n: int, return_partial: bool) -> None: ...
def stream(placement: Placement, *, is_sink: bool = False) -> None: ...
def throttle(placement: Placement, interval: float) -> None: ...
def timed_window(placement: Placement, interval: float) -> None: ...
def timed_window_unique(placement: Placement, interval: float, key: Any, keep_which: str) -> None: ...
def unique(placement: Placement, maxsize: int | None, key: Any, hashable: bool | None, fifo: bool) -> None: ...
def zip(placement: Placement, maxsize: int) -> None: ...
def zip_latest(placement: Placement) -> None: ...
