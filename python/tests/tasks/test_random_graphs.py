"""Random task graphs against plain execution, with killed workers, cancelled tasks and expired limits."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from thalweg.tasks import Client, current_token
from thalweg.tasks.errors import KilledWorker, TaskTimeout

GRAPHS = 200
"""How many graphs there are, on threads and on processes together."""


class Expected(Exception):
    """Raised by tasks on purpose."""


def add(number: int, *inputs: int, size: int = 0) -> int:
    return number + sum(inputs)


def fail(number: int, *inputs: int, size: int = 0) -> int:
    raise Expected(number)


def spin(number: int, *inputs: int, size: int = 0) -> int:
    # In a process its time limit kills it; on a thread it watches its token.
    token = current_token()
    while True:
        if token is not None:
            token.check()


def large(number: int, *inputs: Any, size: int = 0) -> bytes:
    return bytes([number % 256]) * size


def measure(number: int, *inputs: Any, size: int = 0) -> int:
    return number + sum(len(x) if isinstance(x, bytes) else x for x in inputs)


class Graph:
    """Tasks by number: their functions and dependencies."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.calls: list[tuple[Any, list[int], dict[str, Any]]] = []
        for number in range(self.random.randrange(2, 40)):
            needs = self.random.sample(range(number), min(number, self.random.randrange(4)))
            kind = self.random.random()
            if kind < 0.06:
                self.calls.append((fail, needs, {}))
            elif kind < 0.09:
                self.calls.append((spin, needs, {"time_limit": 0.01}))
            elif kind < 0.2:
                self.calls.append((large, needs, {"size": self.random.choice([10, 100_000])}))
            else:
                self.calls.append((measure, needs, {}))

    def submit(self, client: Client) -> list[Any]:
        futures: list[Any] = []
        for number, (function, needs, options) in enumerate(self.calls):
            futures.append(client.submit(function, number, *(futures[need] for need in needs), **options))
        return futures

    def plain(self) -> list[Any]:
        """Expected outcome of each task: a value, or the types of its possible errors."""
        outcomes: list[Any] = []
        for number, (function, needs, options) in enumerate(self.calls):
            failed = [outcomes[need] for need in needs if isinstance(outcomes[need], set)]
            if function is fail:
                outcomes.append({Expected}.union(*failed))
            elif function is spin:
                outcomes.append({TaskTimeout}.union(*failed))
            elif failed:
                outcomes.append(set().union(*failed))
            else:
                outcomes.append(function(number, *(outcomes[need] for need in needs), size=options.get("size", 0)))
        return outcomes


def outcome(future: Any) -> Any:
    """Outcome of a task: its value, or its error."""
    try:
        return future.result(timeout=120)
    except (Exception, CancelledError) as error:
        return error


def check(graph: Graph, futures: list[Any], also: set[type]) -> None:
    """Compare with plain execution; tasks may also have failed for other reasons."""
    for number, (future, expected) in enumerate(zip(futures, graph.plain(), strict=True)):
        result = outcome(future)
        if isinstance(expected, set):
            assert type(result) in expected | also, (number, result)
        else:
            assert result == expected or type(result) in also, (number, result)


@pytest.fixture(scope="module", params=["threads", "processes"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(processes=request.param == "processes", n_workers=2, threads_per_worker=2) as client:
        yield client


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(5))
def test_random_graphs_match_plain_execution(client: Client, part: int) -> None:
    for seed in range(part * GRAPHS // 20, (part + 1) * GRAPHS // 20):
        graph = Graph(seed)
        check(graph, graph.submit(client), also=set())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(5))
def test_cancelling_affects_only_dependents(client: Client, part: int) -> None:
    for seed in range(1_000 + part * GRAPHS // 20, 1_000 + (part + 1) * GRAPHS // 20):
        graph = Graph(seed)
        futures = graph.submit(client)
        cancelled = set()
        for number in graph.random.sample(range(len(futures)), min(3, len(futures))):
            if futures[number].cancel():
                cancelled.add(number)
        for number, (_, needs, _) in enumerate(graph.calls):
            if cancelled.intersection(needs):
                cancelled.add(number)
        left = [number for number in range(len(futures)) if number not in cancelled]
        plain = graph.plain()
        for number in left:
            result = outcome(futures[number])
            expected = plain[number]
            assert type(result) in expected if isinstance(expected, set) else result == expected, (number, result)
        for number in cancelled:
            with pytest.raises((CancelledError, Expected, TaskTimeout)):
                futures[number].result(timeout=120)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(5))
def test_killed_workers_fail_only_the_tasks_they_ran(part: int) -> None:
    with Client(processes=True, n_workers=2, threads_per_worker=1) as client:
        for seed in range(2_000 + part * GRAPHS // 20, 2_000 + (part + 1) * GRAPHS // 20):
            graph = Graph(seed)
            futures = graph.submit(client)
            stop = threading.Event()
            killer = threading.Thread(target=kill_now_and_then, args=(client, seed, stop))
            killer.start()
            try:
                check(graph, futures, also={KilledWorker})
            finally:
                stop.set()
                killer.join()


def kill_now_and_then(client: Client, seed: int, stop: threading.Event) -> None:
    """Kill worker processes at random moments, three of them at most: they belong to the client."""
    choose = random.Random(seed)
    for _ in range(choose.randrange(1, 4)):
        if stop.wait(choose.random() / 20):
            return
        workers = client._engine.info()["workers"]
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(choose.choice(workers)["pid"], signal.SIGKILL)
