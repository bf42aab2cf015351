"""Streams whose functions run on an engine: threads, processes, or a Dask cluster.

``scatter`` moves a stream onto the engine, and ``gather`` brings it back, in order. Lines between them are written as
on any stream.

>>> from thalweg import Stream
>>> source = Stream()
>>> L = source.scatter(backend="thread").map(lambda x: x + 1).buffer(5).gather().sink_to_list()
>>> for x in range(3):
...     source.emit(x)
>>> source.drain()
>>> L
[1, 2, 3]
"""

from thalweg._thalweg.parallel import Element
from thalweg.parallel.accumulate import accumulate
from thalweg.parallel.gather import gather
from thalweg.parallel.here import flatten
from thalweg.parallel.scatter import scatter
from thalweg.parallel.steps import filter, map, pluck, starmap
from thalweg.parallel.stream import ParallelStream

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
