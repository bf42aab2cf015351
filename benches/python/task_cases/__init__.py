"""Cases of tasks."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from task_cases.calls import many_on_processes, many_on_threads, one_on_processes, one_on_threads
from task_cases.dask_streams import through_buffer_of_100, through_buffer_of_1000
from task_cases.graphs import merge, tree
from task_cases.weights import large_array, pending, two_cores

CASES: dict[str, Callable[[], Case]] = {
    "threads": many_on_threads,
    "processes": many_on_processes,
    "one-thread": one_on_threads,
    "one-process": one_on_processes,
    "tree": tree,
    "merge": merge,
    "pending": pending,
    "array": large_array,
    "cores": two_cores,
    "dask-buffer-100": through_buffer_of_100,
    "dask-buffer-1000": through_buffer_of_1000,
}
