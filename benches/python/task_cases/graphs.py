"""Dask graphs."""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from typing import Any

import dask
import dask.threaded
from cases.work import increment
from measure import Case, Contender, Target

from task_cases import clusters


def _tree(n: int) -> tuple[dict[Any, Any], Any]:
    """A pairwise sum of increments: about `n` tasks."""
    leaves = max(2, n // 2)
    graph: dict[Any, Any] = {("leaf", i): (increment, i) for i in range(leaves)}
    level, names = 0, list(graph)
    while len(names) > 1:
        pairs = [names[i : i + 2] for i in range(0, len(names), 2)]
        names = []
        for i, pair in enumerate(pairs):
            name = ("sum", level, i)
            graph[name] = (add, *pair) if len(pair) == 2 else (increment, pair[0])
            names.append(name)
        level += 1
    return graph, names[0]


def _merge(n: int) -> tuple[dict[Any, Any], Any]:
    """About `n` tasks whose results are merged by one."""
    graph: dict[Any, Any] = {("part", i): (increment, i) for i in range(n)}
    graph["all"] = (sum, list(graph))
    return graph, "all"


def _get(make: Callable[[int], tuple[dict[Any, Any], Any]], get: Callable[..., Any]) -> Callable[[int], None]:
    graphs: dict[int, tuple[dict[Any, Any], Any]] = {}

    def run(n: int) -> None:
        graph, wanted = graphs.get(n) or graphs.setdefault(n, make(n))
        assert get(graph, wanted) > 0

    return run


def _case(name: str, make: Callable[[int], tuple[dict[Any, Any], Any]]) -> Case:
    def threaded(graph: dict[Any, Any], wanted: Any) -> Any:
        return dask.threaded.get(graph, wanted, num_workers=2)

    return Case(
        name,
        [
            Contender("thalweg", _get(make, clusters.ours(processes=False).get), 100_000),
            Contender("dask.threaded", _get(make, threaded), 100_000),
            Contender("distributed", _get(make, clusters.dask(processes=False).get), 2_000),
        ],
        [Target("dask.threaded", 1 / 3), Target("distributed", 1 / 50)],
    )


def tree() -> Case:
    return _case("a tree reduction of 100,000 tasks, two threads; for each task", _tree)


def merge() -> Case:
    return _case("a merge of 100,000 tasks, two threads; for each task", _merge)
