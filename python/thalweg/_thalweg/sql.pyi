"""Databases, wrapped by a Python module."""

from typing import Any, final

from thalweg._thalweg.sources import RustSource
from thalweg._types import Placement

__all__ = ["Database", "Position", "from_sql", "to_sql"]

@final
class Database:
    def __new__(cls, url: str) -> Database: ...
    def position(self, name: str) -> Position: ...
    @property
    def url(self) -> str: ...

@final
class Position:
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str | None: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def oldest(self) -> tuple[str, float] | None: ...

def to_sql(
    placement: Placement,
    database: Database,
    table: str,
    columns: list[str] | None,
    key: list[str],
    create: bool,
    max_len: int,
) -> None: ...
def from_sql(
    database: Database, query: str, cursor: str, after: Any, poll: float | None, position: Position | None
) -> RustSource: ...
