"""Records of task runs, shown as a page."""

from __future__ import annotations

import html
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from thalweg._thalweg.tasks import is_worker
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry
from thalweg.tasks.client.events import log

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from thalweg.tasks.client.client import Client

__all__ = ["get_task_stream", "performance_report", "recorded"]

#: The topic of the records.
_TOPIC = "task-stream"


def recorded(engine: Any, function: Callable[..., Any], key: Any = None) -> Callable[..., Any]:
    """Return a function that records each call, if calls on that engine are being recorded."""
    if is_worker() or not registry.shared(engine).recorders:
        return function
    return partial(_call, function, key)


def _call(function: Callable[..., Any], key: Any, /, *args: Any, **kwargs: Any) -> Any:
    from thalweg.tasks.client.tokenize import name_of
    from thalweg.tasks.process.context import get_worker

    start, status = time.time(), "error"
    try:
        result = function(*args, **kwargs)
        status = "OK"
        return result
    finally:
        record = {
            "key": name_of(function) if key is None else key,
            "name": name_of(function),
            "worker": get_worker().address,
            "thread": threading.current_thread().name,
            "status": status,
            "startstops": [{"action": "compute", "start": start, "stop": time.time()}],
        }
        log(registry.task_engine(), [_TOPIC], record)


def records(client: Client, start: float = 0, stop: float | None = None) -> list[dict[str, Any]]:
    """Return the records of tasks that ran in a period, in seconds since 1970."""
    events = registry.shared(client.engine).events.events(_TOPIC)
    spans = [(record["startstops"][0], record) for _, record in events]
    return [record for span, record in spans if span["stop"] >= start and (stop is None or span["start"] <= stop)]


def between(
    client: Client, start: Any = None, stop: Any = None, count: int | None = None, filename: Any = None
) -> list[dict[str, Any]]:
    """Return the records between two times, seconds since 1970 or text that says how long ago, and record all future
    tasks. At most `count` are returned, the latest; a page of them is written to the file, if given.
    """
    if count is not None and not hasattr(count, "__index__"):
        raise TypeError(f"count: a number of tasks, and not {count!r}")
    mine = registry.shared(client.engine)
    with mine.lock:
        if not mine.records_all:
            mine.records_all = True
            mine.recorders += 1
    now = time.time()
    first, last = (now - convert_interval(each) if isinstance(each, str) else each for each in (start, stop))
    found = records(client, first or 0, last)
    if count is not None:
        found = found[max(len(found) - count, 0) :]
    if filename is not None:
        began = min((record["startstops"][0]["start"] for record in found), default=now)
        _write(filename, page("Tasks", found, began, now))
    return found


class get_task_stream:
    """Records which tasks ran, where and when, among those submitted in a ``with`` block.

    Parameters
    ----------
    client
        The client; None for the default one.
    plot, filename
        Accepted for compatibility with Dask; ``"save"`` writes a page to the file.

    Attributes
    ----------
    data:
        After the block: a dictionary for each finished task, with its key, the name of its function, its worker and
        thread, ``"OK"`` or ``"error"``, and when it began and ended, in seconds since 1970.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.records import get_task_stream
    >>> with Client() as client, get_task_stream(client) as stream:
    ...     client.gather(client.map(abs, [-1, -2]))
    [1, 2]
    >>> [(record["name"], record["status"]) for record in stream.data]
    [('abs', 'OK'), ('abs', 'OK')]
    """

    def __init__(self, client: Client | None = None, plot: bool | str = False, filename: str = "task-stream.html"):
        self.data: list[dict[str, Any]] = []
        self._client = registry.default_client(client)
        self._filename = filename if plot else None
        self._start = 0.0

    def __enter__(self) -> Self:
        self._start = time.time()
        mine = registry.shared(self._client.engine)
        with mine.lock:
            mine.recorders += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        mine = registry.shared(self._client.engine)
        with mine.lock:
            mine.recorders -= 1
        self.data = records(self._client, self._start)
        if self._filename is not None:
            _write(self._filename, page("Tasks", self.data, self._start, time.time()))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> None:
        self.__exit__(*error)


class performance_report:
    """Writes a page of the tasks submitted in a ``with`` block that have ended by its end.

    Parameters
    ----------
    filename
        The file.
    stacklevel, mode, storage_options
        Accepted for compatibility with Dask.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.records import performance_report
    >>> file = pathlib.Path(tempfile.mkdtemp(), "report.html")
    >>> with Client() as client, performance_report(file):
    ...     client.submit(abs, -1).result()
    1
    >>> "1 task" in file.read_text()
    True
    """

    def __init__(
        self, filename: Any = "dask-report.html", stacklevel: int = 1, mode: Any = None, storage_options: Any = None
    ) -> None:
        self._filename = filename
        self._stream: get_task_stream | None = None

    def __enter__(self) -> Self:
        self._stream = get_task_stream(plot="save", filename=self._filename)
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._stream is not None:
            self._stream.__exit__(*error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> None:
        self.__exit__(*error)


def _write(filename: Any, text: str) -> None:
    with open(filename, "w", encoding="utf-8") as file:
        file.write(text)


def page(title: str, tasks: list[dict[str, Any]], start: float, stop: float) -> str:
    """Return a page of tasks: number and duration of calls per function, and a line for each thread.

    Examples
    --------
    >>> from thalweg.tasks.client.records import page
    >>> "0 tasks in 2.0 s" in page("Tasks", [], 1.0, 3.0)
    True
    """
    length = max(stop - start, 1e-9)
    by_name: dict[str, list[float]] = defaultdict(list)
    by_thread: dict[tuple[str, str], list[str]] = defaultdict(list)
    for task in tasks:
        span = task["startstops"][0]
        seconds = span["stop"] - span["start"]
        by_name[task["name"]].append(seconds)
        left, width = 100 * (span["start"] - start) / length, max(100 * seconds / length, 0.05)
        text = html.escape(f"{task['key']}: {seconds:.6f} s, {task['status']}", quote=True)
        by_thread[task["worker"], task["thread"]].append(
            f'<i class="{task["status"]}" style="left:{left:.3f}%;width:{width:.3f}%" title="{text}"></i>'
        )
    functions = "".join(
        f"<tr><td>{html.escape(name)}<td>{len(times)}<td>{sum(times):.6f}<td>{max(times):.6f}"
        for name, times in sorted(by_name.items(), key=lambda item: -sum(item[1]))
    )
    threads = "".join(
        f"<p>{html.escape(worker)} {html.escape(thread)}<br><b>{''.join(bars)}</b>"
        for (worker, thread), bars in sorted(by_thread.items())
    )
    count = f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}"
    return (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>{_STYLE}"
        f"<h1>{html.escape(title)}</h1><p>{count} in {length:.1f} s"
        f"<table><tr><th>function<th>calls<th>seconds<th>longest{functions}</table>{threads}"
    )


_STYLE = (
    "<style>body{font:14px sans-serif;margin:2em}td,th{padding:0 1em 0 0;text-align:left}"
    "b{display:block;position:relative;height:16px;background:#eee}"
    "i{position:absolute;top:0;height:16px;background:#4a90d9}i.error{background:#d0021b}</style>"
)
