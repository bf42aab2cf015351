"""Streams on an engine, by the names that rapidz's module ``parallel`` has for them.

>>> from thalweg.compat.rapidz import Stream
>>> from thalweg.compat.rapidz.parallel import buffer, scatter
>>> source = Stream()
>>> L = buffer(scatter(source, backend="thread"), 2).gather().sink_to_list()
>>> source.emit_many([1, 2])
>>> source.drain()
>>> L
[1, 2]
"""

# ruff: noqa: F403
from __future__ import annotations

from thalweg.compat.streamz import dask
from thalweg.compat.streamz.dask import *
from thalweg.parallel import ParallelStream

__all__ = [*dask.__all__, "ParallelStream"]  # fmt: skip
