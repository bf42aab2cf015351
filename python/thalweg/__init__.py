"""Pipelines over continuous streams of data.

>>> from thalweg import Stream
>>> source = Stream()
>>> L = source.map(lambda x: x + 1).sink_to_list()
>>> for x in range(3):
...     source.emit(x)
>>> L
[1, 2, 3]
"""

# ruff: noqa: F403
from __future__ import annotations

from thalweg import _extensions, ops, sinks, sources
from thalweg._thalweg import __version__
from thalweg.compat.alias import FORMER_MODULES, install_as
from thalweg.database import Database, Position
from thalweg.errors import (
    BuildError,
    ClosedError,
    Failure,
    PipelineError,
    Retry,
    SeveralFailures,
    UndeliveredError,
)
from thalweg.runtime.clock import VirtualClock
from thalweg.runtime.intervals import convert_interval
from thalweg.runtime.program_end import drain_all
from thalweg.stream import APIRegisterMixin, Stream, identity, no_default
from thalweg.stream.plugins import attach_plugins
from thalweg.stream.refcounter import RefCounter
from thalweg.stream.wiring import args_kwargs, destroy_pipeline, link, move_to_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.collections.batch import Batch as Batch
    from thalweg.collections.streaming import Streaming as Streaming
    from thalweg.collections.streaming import map_partitions as map_partitions
    from thalweg.compat.streamz.core import get_io_loop as get_io_loop
    from thalweg.compat.streamz.core import sync as sync
    from thalweg.compat.streamz.dask import DaskStream as DaskStream
    from thalweg.ops import *
    from thalweg.parallel import ParallelStream as ParallelStream
    from thalweg.parallel.scatter import scatter as scatter
    from thalweg.sinks import (
        Sink,
        sink,
        sink_batches,
        sink_to_textfile,
        starsink,
        to_csv,
        to_dead_letters,
        to_files,
        to_jsonl,
        to_kafka,
        to_mongodb,
        to_mqtt,
        to_nats,
        to_parquet,
        to_redis_list,
        to_redis_stream,
        to_sql,
        to_tcp,
        to_websocket,
        to_websocket_clients,
        write_url,
    )
    from thalweg.sources import (
        PeriodicCallback,
        Source,
        filenames,
        from_csv,
        from_dead_letters,
        from_http_lines,
        from_http_poll,
        from_http_server,
        from_iterable,
        from_jsonl,
        from_kafka,
        from_kafka_batched,
        from_length_prefixed,
        from_mongodb,
        from_mqtt,
        from_nats,
        from_parquet,
        from_periodic,
        from_process,
        from_q,
        from_redis_list,
        from_redis_stream,
        from_schedule,
        from_sql,
        from_sse,
        from_tcp,
        from_textfile,
        from_url,
        from_websocket,
        from_websocket_url,
        sink_to_file,
    )
    from thalweg.stream.plugins import load_plugins as load_plugins
    from thalweg.tasks import Client as Client
    from thalweg.view.dashboard import dashboard as dashboard
    from thalweg.view.graph import build_node_set as build_node_set
    from thalweg.view.graph import create_graph as create_graph
    from thalweg.view.graph import readable_graph as readable_graph
    from thalweg.view.graph import to_graphviz as to_graphviz
    from thalweg.view.graph import visualize as visualize

__all__ = [
    *ops.__all__,
    "APIRegisterMixin",
    "BuildError",
    "ClosedError",
    "DaskStream",
    "Database",
    "Failure",
    "PeriodicCallback",
    "PipelineError",
    "Position",
    "RefCounter",
    "Retry",
    "SeveralFailures",
    "Sink",
    "Source",
    "Stream",
    "UndeliveredError",
    "VirtualClock",
    "__version__",
    "args_kwargs",
    "build_node_set",
    "convert_interval",
    "create_graph",
    "destroy_pipeline",
    "drain_all",
    "filenames",
    "from_dead_letters",
    "from_http_lines",
    "from_http_poll",
    "from_http_server",
    "from_iterable",
    "from_kafka",
    "from_kafka_batched",
    "from_mongodb",
    "from_mqtt",
    "from_periodic",
    "from_process",
    "from_q",
    "from_redis_list",
    "from_redis_stream",
    "from_schedule",
    "from_sql",
    "from_sse",
    "from_tcp",
    "from_textfile",
    "from_url",
    "from_websocket",
    "get_io_loop",
    "identity",
    "install_as",
    "link",
    "load_plugins",
    "move_to_first",
    "no_default",
    "readable_graph",
    "scatter",
    "sink",
    "sink_batches",
    "from_csv",
    "from_jsonl",
    "from_length_prefixed",
    "from_nats",
    "from_parquet",
    "from_websocket_url",
    "sink_to_file",
    "sink_to_textfile",
    "starsink",
    "sync",
    "to_graphviz",
    "to_dead_letters",
    "to_kafka",
    "to_mongodb",
    "to_mqtt",
    "to_redis_list",
    "to_redis_stream",
    "to_sql",
    "to_tcp",
    "to_websocket",
    "to_websocket_clients",
    "write_url",
    "to_nats",
    "to_parquet",
    "to_jsonl",
    "to_files",
    "to_csv",
    "visualize",
]

# Imported by their first use, so that importing the package takes no time.
_LATER = {
    **{name: room.__name__ for room in (ops, sinks, sources) for name in room.__all__ if name in __all__},
    "Batch": "thalweg.collections.batch",
    "Client": "thalweg.tasks",
    "Streaming": "thalweg.collections.streaming",
    "build_node_set": "thalweg.view.graph",
    "create_graph": "thalweg.view.graph",
    "dashboard": "thalweg.view.dashboard",
    "get_io_loop": "thalweg.compat.streamz.core",
    "load_plugins": "thalweg.stream.plugins",
    "map_partitions": "thalweg.collections.streaming",
    "readable_graph": "thalweg.view.graph",
    "sync": "thalweg.compat.streamz.core",
    "to_graphviz": "thalweg.view.graph",
    "visualize": "thalweg.view.graph",
    "DaskStream": "thalweg.compat.streamz.dask",
    "ParallelStream": "thalweg.parallel",
    "scatter": "thalweg.parallel.scatter",
}


_extensions.attach()
# After our own names, which have precedence.
attach_plugins(Stream)
del attach_plugins

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _LATER:
            value = globals()[name] = getattr(import_module(_LATER[name]), name)
            return value
        if f"thalweg.{name}" in FORMER_MODULES:
            return import_module(f"thalweg.{name}")
        from thalweg.errors.missing_names import Missing

        raise Missing(name, f"module {__name__!r}", lambda: [*globals(), *_LATER])


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
