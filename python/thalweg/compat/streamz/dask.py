"""Streams on an engine, by the names that streamz's module ``dask`` has for them; see :mod:`thalweg.parallel`."""

from thalweg.parallel import ParallelStream as DaskStream
from thalweg.parallel import accumulate, filter, flatten, gather, map, pluck, scatter, starmap

__all__ = ["DaskStream", "accumulate", "filter", "flatten", "gather", "map", "pluck", "scatter", "starmap"]
