"""Pipelines over continuous streams of data.

>>> from thalweg import Stream
>>> source = Stream()
>>> L = source.map(lambda x: x + 1).sink_to_list()
>>> for x in range(3):
...     source.emit(x)
>>> L
[1, 2, 3]
"""

from __future__ import annotations

from thalweg import core
from thalweg._thalweg import __version__
from thalweg.clock import VirtualClock
from thalweg.core import *  # noqa: F403
from thalweg.errors import (
    BuildError,
    ClosedError,
    Failure,
    PipelineError,
    Retry,
    SeveralFailures,
    UndeliveredError,
)
from thalweg.lifecycle import drain_all
from thalweg.sinks import sink_to_textfile
from thalweg.sources import (
    PeriodicCallback,
    Source,
    filenames,
    from_http_server,
    from_iterable,
    from_periodic,
    from_process,
    from_q,
    from_tcp,
    from_textfile,
    sink_to_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._alias import install_as as install_as
    from thalweg.batch import Batch as Batch
    from thalweg.collection import Streaming as Streaming
    from thalweg.collection import map_partitions as map_partitions
    from thalweg.dask import DaskStream as DaskStream
    from thalweg.dask import scatter as scatter
    from thalweg.graph import create_graph as create_graph
    from thalweg.graph import readable_graph as readable_graph
    from thalweg.graph import to_graphviz as to_graphviz
    from thalweg.graph import visualize as visualize

# Found when they are asked for: importing the package is to take no time.
_LATER = {
    "Batch": "thalweg.batch",
    "Streaming": "thalweg.collection",
    "create_graph": "thalweg.graph",
    "install_as": "thalweg._alias",
    "map_partitions": "thalweg.collection",
    "readable_graph": "thalweg.graph",
    "to_graphviz": "thalweg.graph",
    "visualize": "thalweg.graph",
    "DaskStream": "thalweg.dask",
    "scatter": "thalweg.dask",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)


__all__ = [
    "BuildError",
    "ClosedError",
    "Failure",
    "PeriodicCallback",
    "PipelineError",
    "Retry",
    "SeveralFailures",
    "Source",
    "UndeliveredError",
    "VirtualClock",
    "__version__",
    "drain_all",
    "filenames",
    "from_http_server",
    "from_iterable",
    "from_periodic",
    "from_process",
    "from_q",
    "from_tcp",
    "from_textfile",
    "sink_to_file",
    "sink_to_textfile",
]
__all__ += core.__all__
