"""The package ``rapidz``, as programs know it that were written for it.

>>> from thalweg.compat.rapidz import Stream
>>> source = Stream()
>>> L = source.unique(history=1).sink_to_list()
>>> source.emit_many([1, 1, 2, 1])
>>> L
[1, 2, 1]
"""

# ruff: noqa: F403
from __future__ import annotations

from thalweg.compat.rapidz import core, sources
from thalweg.compat.rapidz.core import *
from thalweg.compat.rapidz.sources import *

__version__ = "0.2.1"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.compat.streamz.dask import DaskStream as DaskStream
    from thalweg.parallel import scatter as scatter
    from thalweg.view.graph import build_node_set as build_node_set
    from thalweg.view.graph import create_graph as create_graph
    from thalweg.view.graph import readable_graph as readable_graph
    from thalweg.view.graph import to_graphviz as to_graphviz
    from thalweg.view.graph import visualize as visualize

# Found when they are asked for: importing the package is to take no time.
_LATER = {
    "DaskStream": "thalweg.compat.streamz.dask",
    "build_node_set": "thalweg.view.graph",
    "create_graph": "thalweg.view.graph",
    "readable_graph": "thalweg.view.graph",
    "scatter": "thalweg.parallel",
    "to_graphviz": "thalweg.view.graph",
    "visualize": "thalweg.view.graph",
}

__all__ = [
    *core.__all__,
    *sources.__all__,
    *_LATER,
]  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _LATER:
            return getattr(import_module(_LATER[name]), name)
        if name in ("batch", "clients", "collection", "dask", "dataframe", "graph", "orderedweakset", "parallel"):
            return import_module(f"{__name__}.{name}")
        from thalweg.errors.missing_names import Missing

        raise Missing(name, "module 'rapidz'", lambda: [*globals(), *_LATER])


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
