"""Streams on an engine, by the names that streamz's module ``dask`` has for them; see :mod:`thalweg.parallel`."""

from __future__ import annotations

from thalweg.parallel import ParallelStream as DaskStream
from thalweg.parallel import accumulate, filter, flatten, gather, map, pluck, scatter, starmap
from thalweg.parallel.here import buffer, partition, partition_unique, timed_window_unique, union, unique
from thalweg.sources import filenames, from_textfile
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

combine_latest: Any = DaskStream.combine_latest
delay: Any = DaskStream.delay
latest: Any = DaskStream.latest
rate_limit: Any = DaskStream.rate_limit
sliding_window: Any = DaskStream.sliding_window
timed_window: Any = DaskStream.timed_window
zip: Any = DaskStream.zip

__all__ = [
    "DaskStream",
    "Stream",
    "accumulate",
    "buffer",
    "combine_latest",
    "delay",
    "filenames",
    "filter",
    "flatten",
    "from_textfile",
    "gather",
    "latest",
    "map",
    "partition",
    "partition_unique",
    "pluck",
    "rate_limit",
    "scatter",
    "sliding_window",
    "starmap",
    "timed_window",
    "timed_window_unique",
    "union",
    "unique",
    "zip",
]
