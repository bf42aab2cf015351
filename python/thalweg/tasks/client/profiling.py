"""A sampling profiler of tasks: samples the stacks of their threads a hundred times a second."""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import finalize

from thalweg._thalweg.tasks import is_worker
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import records, registry

if TYPE_CHECKING:
    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["call", "collect", "merge", "profile", "sampled"]

#: Pause between two samples, in seconds.
_INTERVAL = 0.01

#: Number of samples without a running task after which the sampler ends.
_PATIENCE = 50

#: Number of seconds with samples that are kept.
_KEPT = 1000

#: A tree of samples, as in Dask.
Tree = dict[str, Any]

#: Group and name of the running task, by thread.
_running: dict[int, tuple[str, str]] = {}

#: Samples by second, and in each by group and name.
_samples: deque[tuple[int, dict[tuple[str, str], Tree]]] = deque(maxlen=_KEPT)

_lock = threading.Lock()
_sampler: threading.Thread | None = None


def _forget() -> None:
    """Start over in a forked process: the sampler is the parent's."""
    global _lock, _sampler
    _lock, _sampler = threading.Lock(), None
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def sampled(engine: Any, function: Callable[..., Any], key: Any) -> Callable[..., Any]:
    """Return a function during whose calls samples are taken, if the engine's profile has been requested."""
    group = None if is_worker() else registry.shared(engine).profile
    if group is None:
        return function
    return partial(call, group, str(key[0] if isinstance(key, tuple) and key else key), function)


def call(group: str, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and sample the stack of this thread meanwhile."""
    global _sampler
    ident = threading.get_ident()
    with _lock:
        outer = _running.get(ident)
        _running[ident] = group, name
        if _sampler is None:
            _sampler = threading.Thread(target=_sample, name="thalweg-profile", daemon=True)
            _sampler.start()
    try:
        return function(*args, **kwargs)
    finally:
        with _lock:
            if outer is None:
                _running.pop(ident, None)
            else:
                _running[ident] = outer


def _sample() -> None:
    global _sampler
    idle = 0
    while True:
        time.sleep(_INTERVAL)
        with _lock:
            idle = 0 if _running else idle + 1
            if idle > _PATIENCE:
                _sampler = None
                return
            frames = sys._current_frames() if _running else {}
            for ident, what in _running.items():
                stack = _stack(frames.get(ident))
                if stack is not None:
                    _add(_tree(what), stack)
            frames.clear()
            del frames


def _stack(frame: FrameType | None) -> list[FrameType] | None:
    """Return the frames of a call, the innermost first; None if it has ended.

    A function that is not written in Python has no frames.
    """
    stack: list[FrameType] = []
    while frame is not None:
        if frame.f_code is call.__code__:
            while stack and stack[-1].f_code.co_filename == records.__file__:
                stack.pop()
            return stack
        stack.append(frame)
        frame = frame.f_back
    return None


def _tree(what: tuple[str, str]) -> Tree:
    now = int(time.time())
    if not _samples or _samples[-1][0] != now:
        _samples.append((now, {}))
    return _samples[-1][1].setdefault(what, _empty())


def _empty() -> Tree:
    nowhere = {"filename": "", "name": "", "line_number": 0, "line": ""}
    return {"count": 0, "children": {}, "identifier": "root", "description": nowhere}


def _add(tree: Tree, stack: list[FrameType]) -> None:
    tree["count"] += 1
    for frame in reversed(stack):
        code = frame.f_code
        identifier = f"{code.co_name};{code.co_filename};{code.co_firstlineno}"
        below = tree["children"].get(identifier)
        if below is None:
            number = frame.f_lineno or code.co_firstlineno
            description = {
                "filename": code.co_filename,
                "name": code.co_name,
                "line_number": number,
                "line": linecache.getline(code.co_filename, number, frame.f_globals).lstrip(),
            }
            below = {"count": 0, "children": {}, "identifier": identifier, "description": description}
            tree["children"][identifier] = below
        below["count"] += 1
        tree = below


def merge(trees: Iterable[Tree]) -> Tree:
    """Add up trees of samples.

    Examples
    --------
    >>> from thalweg.tasks.client.profiling import merge
    >>> one = {"count": 2, "children": {}, "identifier": "f", "description": {}}
    >>> root = {"count": 2, "children": {"f": one}, "identifier": "root", "description": {}}
    >>> merge([root, root])["children"]["f"]["count"]
    4
    """
    total = _empty()
    for tree in trees:
        pairs = [(total, tree)]
        while pairs:
            into, other = pairs.pop()
            into["count"] += other["count"]
            for identifier, child in other["children"].items():
                mine = into["children"].get(identifier)
                if mine is None:
                    mine = {**child, "count": 0, "children": {}}
                    into["children"][identifier] = mine
                pairs.append((mine, child))
    return total


def collect(group: str, key: str | None, start: float | None, stop: float | None) -> Tree:
    """Add up the samples of this process between two times, of one name if given."""
    with _lock:
        found = [
            tree
            for second, trees in _samples
            if (start is None or second + 1 >= start) and (stop is None or second <= stop)
            for (whose, name), tree in trees.items()
            if whose == group and (key is None or name == key or name.startswith(f"{key}-"))
        ]
        return merge(found)


def _drop(group: str) -> None:
    with _lock:
        for _, trees in _samples:
            for what in [what for what in trees if what[0] == group]:
                del trees[what]


def profile(
    client: Client,
    key: str | None,
    start: Interval | None,
    stop: Interval | None,
    workers: Any,
    merge_workers: bool,
) -> Any:
    """Return the samples of a client's workers, and sample all future tasks."""
    mine = registry.shared(client.engine)
    with mine.lock:
        if mine.profile is None:
            mine.profile = uuid4().hex
            finalize(mine, _drop, mine.profile)
    arguments = (mine.profile, key, _moment(start), _moment(stop))
    if client.engine.kind == "processes":
        if client.asynchronous:
            return _later(client.run(collect, *arguments, workers=workers, asynchronous=True), merge_workers)
        return _told(client.run(collect, *arguments, workers=workers, asynchronous=False), merge_workers)
    found = {worker: collect(*arguments) for worker in client.nthreads(workers, asynchronous=False)}
    return _ready(found, merge_workers) if client.asynchronous else _told(found, merge_workers)


def _moment(given: Interval | None) -> float | None:
    """Return a time in seconds since the epoch; a duration is counted back from now."""
    if given is None or isinstance(given, (int, float)):
        return given
    return time.time() - convert_interval(given)


def _told(found: dict[Any, Tree], merge_workers: bool) -> Any:
    return merge(found.values()) if merge_workers else found


async def _ready(found: dict[Any, Tree], merge_workers: bool) -> Any:
    return _told(found, merge_workers)


async def _later(found: Any, merge_workers: bool) -> Any:
    return _told(await found, merge_workers)
