"""Streams on engines where values stay until they are gathered: processes, Dask, executors of other kinds."""

from thalweg.parallel.elsewhere import structure as _structure  # noqa: F401, the operators attach themselves
from thalweg.parallel.elsewhere.accumulate import accumulate
from thalweg.parallel.elsewhere.element import Element
from thalweg.parallel.elsewhere.stream import ParallelStream, filter, map, pluck, scatter, starmap
from thalweg.parallel.elsewhere.windows import flatten, gather

__all__ = [
    "Element",
    "ParallelStream",
    "accumulate",
    "filter",
    "flatten",
    "gather",
    "map",
    "pluck",
    "scatter",
    "starmap",
]
