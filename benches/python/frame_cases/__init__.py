"""Data frames on streams, of thalweg and of streamz, and plain pandas."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from frame_cases.aggregations import grouped, rolling, sums
from frame_cases.libraries import arrow, grouped_arrow, grouped_polars, polars
from frame_cases.memory import memory
from frame_cases.rows import rows

CASES: dict[str, Callable[[], Case]] = {
    "sum": sums,
    "grouped": grouped,
    "rolling": rolling,
    "polars": polars,
    "arrow": arrow,
    "grouped-polars": grouped_polars,
    "grouped-arrow": grouped_arrow,
    "rows": rows,
    "memory": memory,
}
