"""Data for the dashboard: the pipelines and engines of this process, and texts of failures and elements."""

from __future__ import annotations

import sys
from typing import Any

from thalweg.runtime.pipelines import alive
from thalweg.stream.names import pipeline_name, readable

#: The longest text of a stack, in frames.
_FRAMES = 20


def pipelines() -> list[tuple[str, Any]]:
    """Return all pipelines: pairs of a name and a node.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.view.observed import pipelines
    >>> source = Stream(stream_name="orders")
    >>> [name for name, node in pipelines() if node is source]
    ['orders']
    """
    found = []
    for number, pipeline in enumerate(alive(), 1):
        nodes = pipeline.nodes()
        if nodes:
            found.append((pipeline_name(nodes) or f"pipeline {number}", nodes[0]))
    return found


def engines() -> list[dict[str, Any]]:
    """Return descriptions of all engines and their workers.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.view.observed import engines
    >>> with Client(n_workers=1, name="mine"):
    ...     [engine["kind"] for engine in engines() if engine["name"] == "mine"]
    ['threads']
    """
    registry = sys.modules.get("thalweg.tasks.client.registry")
    if registry is None:
        return []
    found = []
    for number, engine in enumerate(registry.open_engines(), 1):
        try:
            info = engine.info(runs=True)
        except RuntimeError:
            # It belongs to the parent of this forked process.
            continue
        client = registry.shared(engine).client
        client = client and client()
        found.append(
            {
                "name": readable(getattr(client, "name", None) or f"engine {number}"),
                "kind": engine.kind,
                "waiting": info["pending"],
                "running": info["running"],
                "workers": [_worker(worker, engine.kind, info["runs"]) for worker in info["workers"]],
                "time_limits": info["time_limits"],
                "deaths": list(info.get("deaths", {}).items()),
                "link": None,
            }
        )
    return found


def _worker(info: dict[str, Any], kind: str, runs: list[tuple[Any, ...]]) -> dict[str, Any]:
    is_process = kind == "processes"
    # The thread within a process is unknown.
    mine = [(0, *rest) for place, *rest in runs if place == info["id"]] if is_process else runs
    return {
        "name": f"worker {info['id']}" if is_process else f"{info['threads']} threads",
        "process": info["pid"] if is_process else None,
        "tasks": _running(info["running"], mine),
        "memory": _memory_of(info["pid"]) if is_process else None,
        "restarts": info.get("restarts"),
        "runs": [run[:-1] for run in mine],
    }


def _running(keys: list[str], runs: list[tuple[Any, ...]]) -> list[tuple[str, float | None]]:
    """Running tasks and their seconds: by function, unless a task began before the recording."""
    timed = [(key or name, took) for _, name, _, took, _, outcome, key in runs if outcome == "running"]
    return timed if len(timed) >= len(keys) else [(str(key), None) for key in keys]


def _memory_of(pid: int) -> int | None:
    """Memory of a process in bytes, where the system tells."""
    import os

    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def describe_element(element: object) -> str:
    """Return the text of an element for display. May block in its ``repr``.

    Examples
    --------
    >>> from thalweg.view.observed import describe_element
    >>> class Shy:
    ...     def __repr__(self):
    ...         raise RuntimeError("not now")
    >>> describe_element([1, "two"]), describe_element(Shy())
    ("[1, 'two']", '<Shy: its repr raised RuntimeError>')
    """
    from thalweg.errors.reprs import LONGEST, hide_passwords, is_built_in, may_be_large, short

    if is_built_in(element) or may_be_large(element):
        return readable(short(element))
    try:
        text = hide_passwords(repr(element))
    except BaseException as error:
        return f"<{type(element).__name__}: its repr raised {type(error).__name__}>"
    return readable(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")


def describe_failure(error: BaseException) -> tuple[str, str, str]:
    """Return an exception's class, its text in a line, and both with the stack that it came from.

    Examples
    --------
    >>> from thalweg.view.observed import describe_failure
    >>> describe_failure(ValueError("no"))
    ('ValueError', 'ValueError: no', 'ValueError: no\\n')
    """
    import traceback

    from thalweg.errors.reprs import short

    try:
        text = str(error)
    except Exception as problem:
        text = f"(its text can't be had: {short(problem)})"
    summary = f"{type(error).__name__}: {text}" if text else type(error).__name__
    stack = traceback.format_exception(type(error), error, error.__traceback__, limit=-_FRAMES)
    return readable(type(error).__name__), readable(summary), readable("".join(stack))
