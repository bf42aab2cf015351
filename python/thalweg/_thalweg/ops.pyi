"""Operators: each function takes Python's arguments, and returns a blueprint of the engine's operator."""

from typing import Any, final

from thalweg._thalweg import Blueprint
from thalweg._types import Function

__all__ = [
    "Reset",
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

@final
class Reset:
    """Sets the state of an `accumulate` back to its start; arguments are ignored."""

    def __call__(self, *_ignored: Any) -> None: ...

def accumulate(
    function: Function,
    kwargs: dict[str, Any],
    start: tuple[Any] | None,
    *,
    returns_state: bool = False,
    with_state: bool = False,
    awaited: bool = False,
) -> tuple[Blueprint, Reset, list[Any]]: ...
def buffer(n: int) -> Blueprint: ...
def collect(n: int | None) -> Blueprint: ...
def combine_latest(emit_on: list[int] | None) -> Blueprint: ...
def custom(*, is_sink: bool = False) -> Blueprint: ...
def debounce(interval: float) -> Blueprint: ...
def delay(interval: float) -> Blueprint: ...
def filter(
    predicate: Function | None, args: tuple[Any, ...], kwargs: dict[str, Any], *, awaited: bool = False
) -> Blueprint: ...
def flatten() -> Blueprint: ...
def latest() -> Blueprint: ...
def map(
    function: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    splayed: bool = False,
    awaited: bool = False,
    concurrency: int | None = None,
) -> Blueprint: ...
def map_async(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], calls: int) -> Blueprint: ...
def partition(n: int, timeout: float | None, key: Any) -> Blueprint: ...
def partition_unique(n: int, key: Any, keep_which: str) -> Blueprint: ...
def pluck(pick: Any) -> Blueprint: ...
def rate_limit(interval: float) -> Blueprint: ...
def sample(interval: float) -> Blueprint: ...
def shift(interval: float) -> Blueprint: ...
def sink(
    function: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    splayed: bool = False,
    in_turn: bool = False,
    concurrency: int | None = None,
) -> Blueprint: ...
def sink_batches(
    function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], waits: bool, max_len: int
) -> Blueprint: ...
def slice(start: int | None, end: int | None, step: int | None) -> Blueprint: ...
def sliding_window(n: int, return_partial: bool) -> Blueprint: ...
def stream(*, is_sink: bool = False) -> Blueprint: ...
def throttle(interval: float) -> Blueprint: ...
def timed_window(interval: float) -> Blueprint: ...
def timed_window_unique(interval: float, key: Any, keep_which: str) -> Blueprint: ...
def unique(maxsize: int | None, key: Any, hashable: bool | None, fifo: bool) -> Blueprint: ...
def zip(maxsize: int) -> Blueprint: ...
def zip_latest() -> Blueprint: ...
