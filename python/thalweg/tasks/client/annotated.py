"""Annotations of tasks by ``dask.annotate``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from thalweg.runtime.intervals import check_interval

#: The annotations that are options of tasks.
_OPTIONS = ("retries", "priority", "resources", "time_limit")


def current() -> dict[str, Any]:
    """Return the options for all tasks in this context.

    Examples
    --------
    >>> import dask
    >>> from thalweg.tasks.client import annotated
    >>> with dask.annotate(retries=2, color="red"):
    ...     annotated.current()
    {'retries': 2}
    """
    base = sys.modules.get("dask.base")
    return {} if base is None else _options(base.get_annotations())


def of_graph(graph: Any) -> dict[Any, dict[str, Any]]:
    """Return the options of each annotated key of a graph, or of an object with a graph.

    Examples
    --------
    >>> from thalweg.tasks.client import annotated
    >>> annotated.of_graph({"a": 1})
    {}
    """
    by_name: dict[str, dict[Any, Any]] = {}
    if hasattr(graph, "__dask_annotations__"):
        by_name = graph.__dask_annotations__()
    else:
        for layer in getattr(graph, "layers", {}).values():
            for name, value in (layer.annotations or {}).items():
                by_name.setdefault(name, {}).update(dict.fromkeys(layer, value))
    by_key: dict[Any, dict[str, Any]] = {}
    for name, values in by_name.items():
        for key, value in values.items():
            by_key.setdefault(key, {})[name] = value(key) if callable(value) else value
    return {key: options for key, annotations in by_key.items() if (options := _options(annotations))}


def _options(annotations: Mapping[str, Any]) -> dict[str, Any]:
    workers = annotations.get("workers")
    if workers and not annotations.get("allow_other_workers"):
        raise ValueError(f"dask.annotate: workers: {workers!r}: tasks go to whichever worker is free")
    options = {name: annotations[name] for name in _OPTIONS if annotations.get(name) is not None}
    if "time_limit" in options:
        options["time_limit"] = check_interval(options["time_limit"], "dask.annotate", "time_limit")
    return options
