"""Options of clients and clusters: the number and kind of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thalweg._thalweg.tasks import Engine
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry
from thalweg.tasks.process import parent, pickling, worker

if TYPE_CHECKING:
    from thalweg._types import Interval

#: Ignored arguments of Dask's client and cluster.
_HARMLESS = frozenset({
    "allowed_failures",
    "connection_limit",
    "dashboard_address",
    "death_timeout",
    "deserializers",
    "direct_to_workers",
    "extensions",
    "heartbeat_interval",
    "host",
    "interface",
    "ip",
    "lifetime",
    "local_directory",
    "loop",
    "protocol",
    "scheduler_kwargs",
    "scheduler_port",
    "scheduler_sync_interval",
    "security",
    "serializers",
    "service_kwargs",
    "services",
    "silence_logs",
    "start",
    "worker_dashboard_address",
    "worker_services",
})  # fmt: skip

#: Suggestions for unknown arguments.
_ARGUMENTS = (
    "address",
    "asynchronous",
    "initargs",
    "initializer",
    "memory_limit",
    "n_workers",
    "name",
    "preload",
    "processes",
    "resources",
    "set_as_default",
    "threads_per_worker",
    "timeout",
    "worker_ttl",
)


def turn(place: int) -> str:
    """Return the name of a resource of which a worker has one, for the actors there.

    Their methods are called one at a time, in the order of the requests. Threads have several places.
    """
    return f"turn of an actor {place}"


#: More workers, and more threads of each, than a machine can run.
_MOST = 2**20

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def refuse_unknown(owner: str, kwargs: Mapping[str, Any]) -> None:
    """Raise an error that names an unknown argument, and suggests one; Dask's that need no counterpart are accepted.

    Examples
    --------
    >>> from thalweg.tasks.client.options import refuse_unknown
    >>> refuse_unknown("Client", {"dashboard_address": ":0"})
    >>> refuse_unknown("Client", {"n_worker": 4})
    Traceback (most recent call last):
    TypeError: Client: there is no argument 'n_worker'; did you mean 'n_workers'?
    """
    for name in kwargs:
        if name not in _HARMLESS:
            from thalweg.errors.missing_names import nearest

            meant = nearest(name, _ARGUMENTS)
            suggestion = f"; did you mean {meant!r}?" if meant else ""
            raise TypeError(f"{owner}: there is no argument {name!r}{suggestion}")


@dataclass(frozen=True)
class Options:
    """The workers to start.

    Examples
    --------
    >>> from thalweg.tasks.client.options import Options
    >>> engine = Options(n_workers=2, threads_per_worker=3).start()
    >>> engine.kind, engine.width
    ('threads', 6)
    >>> engine.close()
    """

    n_workers: int | None = None
    threads_per_worker: int | None = None
    processes: bool = False
    memory_limit: int | float | str | None = None
    resources: Mapping[str, float] | None = None
    preload: str | Iterable[str] | None = None
    initializer: Callable[..., Any] | None = None
    initargs: tuple[Any, ...] = ()
    worker_ttl: Interval | None = "30s"

    def __post_init__(self) -> None:
        if self.initializer is not None and not callable(self.initializer):
            raise TypeError(f"initializer: a function to call, and not {self.initializer!r}")
        _check_count("n_workers", self.n_workers)
        _check_count("threads_per_worker", self.threads_per_worker)
        for name, amount in (self.resources or {}).items():
            if not isinstance(amount, (int, float)) or not amount >= 0:
                raise ValueError(f"resources: how much there is of {name!r} is a number, not {amount!r}")
        self._ttl()
        if self._limit() is not None and not self.processes:
            raise ValueError("memory_limit: threads share their memory; start the workers with processes=True")

    def _modules(self) -> list[str]:
        preload = [self.preload] if isinstance(self.preload, str) else list(self.preload or ())
        for name in preload:
            if not isinstance(name, str):
                raise TypeError(f"preload: names of modules, not {name!r}")
        return preload

    def start(self, replaces: Engine | None = None) -> Engine:
        """Start them, perhaps in place of those of a closed engine."""
        modules = self._modules()
        workspace = None
        if self.processes:
            if pickling.is_importing_main:
                raise RuntimeError(
                    "processes=True: a worker process imports the program's main module, which starts workers again: "
                    "put what starts them under `if __name__ == '__main__':`"
                )
            workspace = parent.new_workspace() if replaces is None else registry.shared(replaces).workspace
            command = worker.command(modules, self.initializer, self.initargs, workspace)
        else:
            # Threads are one worker, and this is its process.
            worker.prepare(modules, self.initializer, self.initargs)
        cores = _cores()
        resources = dict(self.resources) if self.resources else None
        if self.processes:
            engine = Engine.processes(
                self.n_workers or max(1, cores // (self.threads_per_worker or 1)),
                self.threads_per_worker or 1,
                command=command,
                memory_limit=self._limit(),
                worker_ttl=self._ttl(),
                resources={**(resources or {}), turn(0): 1.0},
            )
        else:
            if resources and self.n_workers:
                # Given per worker; here they are one.
                resources = {name: amount * self.n_workers for name, amount in resources.items()}
            turns = {turn(place): 1.0 for place in range(self.n_workers or 1)}
            engine = Engine.threads(self._threads(cores), resources={**(resources or {}), **turns})
        registry.started(engine, resources or {}, self.n_workers or 1, workspace, replaces)
        return engine

    def _threads(self, cores: int) -> int:
        if self.n_workers is None and self.threads_per_worker is None:
            # Tasks that wait for a disk or a network need more threads than cores, and others are not slowed down.
            return min(32, cores + 4)
        return (self.n_workers or 1) * (self.threads_per_worker or 1)

    def _ttl(self) -> float | None:
        seconds = None if self.worker_ttl is None else float(convert_interval(self.worker_ttl))
        if seconds is not None and seconds <= 0:
            raise ValueError(f"worker_ttl: how long a worker may not answer, more than 0 s, not {self.worker_ttl!r}")
        return seconds

    def _limit(self) -> int | None:
        limit = self.memory_limit
        if limit is None or limit in (0, "auto"):
            return None
        if isinstance(limit, str):
            return _parse_bytes(limit)
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit < 0:
            raise ValueError(f"memory_limit: a number of bytes, or text such as '2 GiB', not {limit!r}")
        if isinstance(limit, float) and limit <= 1:
            return int(limit * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        return int(limit)


def _check_count(name: str, count: object) -> None:
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST):
        raise ValueError(f"{name}: a number from 1 to {_MOST}, not {count!r}")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _parse_bytes(text: str) -> int:
    import re

    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*?)b?\s*", text.lower())
    try:
        if match is not None:
            return int(float(match[1]) * _UNITS[match[2]])
    except (KeyError, ValueError):
        pass
    raise ValueError(f"memory_limit: a number of bytes, or text such as '2 GiB', not {text!r}")
