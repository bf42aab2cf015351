"""What is measured of tasks."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from task_cases.dask_streams import through_buffer_of_100, through_buffer_of_1000

CASES: dict[str, Callable[[], Case]] = {
    "dask-buffer-100": through_buffer_of_100,
    "dask-buffer-1000": through_buffer_of_1000,
}
