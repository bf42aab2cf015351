"""Pipelines over continuous streams of data.

>>> from thalweg import Stream
>>> source = Stream()
>>> L = source.map(lambda x: x + 1).sink_to_list()
>>> for x in range(3):
...     source.emit(x)
>>> L
[1, 2, 3]
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from thalweg._thalweg import __version__
from thalweg.clock import VirtualClock
from thalweg.core import *
from thalweg.errors import (
    BuildError,
    ClosedError,
    Failure,
    PipelineError,
    Retry,
    SeveralFailures,
    UndeliveredError,
)
from thalweg.program_end import drain_all
from thalweg.sinks import sink_to_textfile, to_kafka, to_mqtt, to_websocket
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
from thalweg.stream import attach_plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._alias import install_as as install_as
    from thalweg.batch import Batch as Batch
    from thalweg.collection import Streaming as Streaming
    from thalweg.collection import map_partitions as map_partitions
    from thalweg.dask import DaskStream as DaskStream
    from thalweg.graph import create_graph as create_graph
    from thalweg.graph import readable_graph as readable_graph
    from thalweg.graph import to_graphviz as to_graphviz
    from thalweg.graph import visualize as visualize
    from thalweg.parallel import ParallelStream as ParallelStream
    from thalweg.parallel import scatter as scatter
    from thalweg.tasks import Client as Client

# Found when they are asked for: importing the package is to take no time.
_LATER = {
    "Batch": "thalweg.batch",
    "Client": "thalweg.tasks",
    "Streaming": "thalweg.collection",
    "create_graph": "thalweg.graph",
    "install_as": "thalweg._alias",
    "map_partitions": "thalweg.collection",
    "readable_graph": "thalweg.graph",
    "to_graphviz": "thalweg.graph",
    "visualize": "thalweg.graph",
    "DaskStream": "thalweg.dask",
    "ParallelStream": "thalweg.parallel",
    "scatter": "thalweg.parallel",
}


# After all that is ours: of two with one name, ours is meant.
attach_plugins()
del attach_plugins

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            from thalweg.names import Missing

            raise Missing(name, f"module {__name__!r}", lambda: [*globals(), *_LATER])
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)


__all__ = [
    "APIRegisterMixin",
    "BuildError",
    "ClosedError",
    "Failure",
    "PeriodicCallback",
    "PipelineError",
    "RefCounter",
    "Retry",
    "SeveralFailures",
    "Sink",
    "Source",
    "Stream",
    "UndeliveredError",
    "VirtualClock",
    "__version__",
    "accumulate",
    "args_kwargs",
    "buffer",
    "collect",
    "combine_latest",
    "convert_interval",
    "debounce",
    "delay",
    "destroy_pipeline",
    "drain_all",
    "filenames",
    "filter",
    "flatten",
    "from_http_server",
    "from_iterable",
    "from_periodic",
    "from_process",
    "from_q",
    "from_tcp",
    "from_textfile",
    "get_io_loop",
    "identity",
    "latest",
    "link",
    "map",
    "map_async",
    "move_to_first",
    "no_default",
    "partition",
    "partition_unique",
    "pluck",
    "rate_limit",
    "sample",
    "shift",
    "sink",
    "sink_to_file",
    "sink_to_textfile",
    "slice",
    "sliding_window",
    "starmap",
    "starsink",
    "sync",
    "throttle",
    "timed_window",
    "timed_window_unique",
    "to_kafka",
    "to_mqtt",
    "to_websocket",
    "union",
    "unique",
    "zip",
    "zip_latest",
]
