"""Sources written in Rust: each function takes Python's arguments, and returns a source to be run for a node."""

from asyncio import Future
from collections.abc import Callable
from datetime import datetime
from os import PathLike
from typing import Any, final

from thalweg._thalweg import Node
from thalweg._thalweg.sql import Position

__all__ = [
    "LineSplitter",
    "RustSource",
    "file_names",
    "http_lines",
    "http_poll",
    "open_pipe",
    "output",
    "pipe",
    "schedule",
    "server_sent_events",
    "text_file",
]

@final
class RustSource:
    def run(self, node: Node) -> Future[None]: ...
    def stop(self, is_ending: bool = False) -> None: ...

@final
class LineSplitter:
    def __new__(cls, delimiter: bytes, max_len: int) -> LineSplitter: ...
    def feed(self, bytes: bytes) -> list[bytes | Exception]: ...
    def finish(self) -> list[bytes | Exception]: ...

def text_file(
    path: str | PathLike[str],
    delimiter: str,
    poll_interval: float,
    from_end: int | None,
    max_len: int,
    position: Position | None = None,
) -> RustSource: ...
def pipe(path: str | PathLike[str], delimiter: str, max_len: int) -> RustSource: ...
def open_pipe(number: int, delimiter: str, max_len: int) -> RustSource: ...
def output(number: int, delimiter: bytes, with_end: bool, max_len: int) -> RustSource: ...
def file_names(pattern: str | PathLike[str], poll_interval: float) -> RustSource: ...
def http_lines(
    url: str,
    headers: list[tuple[str, str]],
    connect_timeout: float,
    idle_timeout: float,
    max_len: int,
    follow_anywhere: bool,
) -> RustSource: ...
def http_poll(
    url: str,
    interval: float,
    headers: list[tuple[str, str]],
    time_limit: float,
    max_len: int,
    follow_anywhere: bool,
) -> RustSource: ...
def server_sent_events(
    url: str,
    make: Callable[[str, str, str], Any],
    headers: list[tuple[str, str]],
    last_event_id: str,
    connect_timeout: float,
    idle_timeout: float,
    wait: float,
    max_wait: float,
    max_len: int,
    follow_anywhere: bool,
    position: Position | None,
) -> RustSource: ...
def schedule(
    schedule: str, tz: str, missed: str, start: int | None, to_datetime: Callable[[int], datetime]
) -> RustSource: ...
