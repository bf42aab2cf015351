"""Progress: a line in a terminal, or a bar in a notebook."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

if TYPE_CHECKING:
    from thalweg.stream import Stream

#: Characters of a bar.
_WIDTH = 30

#: Interval of updates in seconds.
_PERIOD = 0.1


class State(NamedTuple):
    """A state of progress."""

    #: Number of finished items, and of all items if that is known.
    done: int
    total: int | None
    #: Seconds since the beginning.
    seconds: float
    #: Number of failures by kind of exception.
    failed: dict[str, int]


def describe(state: State) -> str:
    """Describe progress in a line: how much is done, rate, remaining time, and failures.

    Examples
    --------
    >>> from thalweg.view.progress import State, describe
    >>> describe(State(done=30, total=120, seconds=2.0, failed={}))
    '[#######                       ] 30 of 120, 15/s, 6 s left'
    >>> describe(State(done=120, total=120, seconds=8.0, failed={"ValueError": 2}))
    '[##############################] 120 of 120, 15/s, 2 failed: ValueError 2'
    >>> describe(State(done=3000, total=None, seconds=2.0, failed={}))
    '3000, 1500/s'
    """
    done, total, seconds, failed = state
    parts = [str(done)]
    if total is not None:
        filled = _WIDTH * min(done, total) // total if total else _WIDTH
        parts = [f"[{'#' * filled:<{_WIDTH}}] {done} of {total}"]
    rate = done / seconds if seconds > 0 else 0.0
    if rate > 0:
        parts.append(f"{rate:.3g}/s" if rate < 1000 else f"{rate:.0f}/s")
        if total is not None and done < total:
            parts.append(f"{_length((total - done) / rate)} left")
    if failed:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(failed.items()))
        parts.append(f"{sum(failed.values())} failed: {kinds}")
    return ", ".join(parts)


def _length(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, whole = divmod(whole, 60)
    return f"{minutes}:{whole:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


class Bar(Protocol):
    """A display of progress."""

    #: Whether it keeps running after the call that shows it has returned.
    stays: bool

    def show(self, state: State) -> None:
        """Show this."""

    def close(self) -> None:
        """End the display."""


class _TerminalBar:
    """A line of a terminal, overwritten on each update."""

    stays = False

    def __init__(self, file: TextIO, label: str) -> None:
        self._file, self._label, self._width = file, label, 0

    def show(self, state: State) -> None:
        text = f"{self._label}: {describe(state)}" if self._label else describe(state)
        self._file.write(f"\r{text:<{self._width}}")
        self._file.flush()
        self._width = len(text)

    def close(self) -> None:
        self._file.write("\n")
        self._file.flush()


class _TqdmBar:
    """The bar of tqdm."""

    stays = False

    def __init__(self, tqdm: Any, file: TextIO, label: str) -> None:
        self._new = lambda total: tqdm(total=total, desc=label or None, file=file)
        self._bar: Any = None

    def show(self, state: State) -> None:
        if self._bar is None:
            self._bar = self._new(state.total)
        self._bar.update(state.done - self._bar.n)
        if state.failed:
            self._bar.set_postfix(state.failed)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _WidgetBar:
    """A widget of a notebook."""

    stays = True

    def __init__(self, ipywidgets: Any, label: str) -> None:
        from IPython.display import display

        self._bar = ipywidgets.IntProgress(description=label)
        self._text = ipywidgets.Label()
        display(ipywidgets.HBox([self._bar, self._text]))

    def show(self, state: State) -> None:
        if state.total is not None:
            self._bar.max = max(state.total, 1)
            self._bar.value = state.done
        self._bar.bar_style = "danger" if state.failed else "success" if state.done == state.total else ""
        self._text.value = describe(state).rpartition("] ")[2]

    def close(self) -> None:
        """It stays in its cell."""


def bar(file: TextIO | None = None, label: str = "", notebook: bool | None = None) -> Bar | None:
    """Return a bar suited to the program's environment; None if its output is neither a terminal nor a notebook.

    In a notebook it is a widget; otherwise tqdm's bar if tqdm is installed, else a line of our own.

    Parameters
    ----------
    file:
        Output file; ``sys.stderr`` by default. A given file is treated as a terminal.
    label: str
    notebook: bool
        Whether to show a widget; by default it is detected.

    Examples
    --------
    >>> import io
    >>> from thalweg.view.progress import State, bar
    >>> output = io.StringIO()
    >>> line = bar(output, "orders")
    >>> line.show(State(1, 2, 1.0, {}))
    >>> line.close()
    >>> output.getvalue()
    '\\rorders: [###############               ] 1 of 2, 1/s, 1 s left\\n'
    """
    if file is not None:
        if not hasattr(file, "write"):
            raise TypeError(f"progress: `file`: a file that is open for writing, not {file!r}")
        return _TerminalBar(file, label)
    if notebook if notebook is not None else _is_notebook():
        try:
            import ipywidgets

            return _WidgetBar(ipywidgets, label)
        except ImportError:
            pass
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return _TerminalBar(sys.stderr, label)
    return _TqdmBar(tqdm, sys.stderr, label)


def _is_notebook() -> bool:
    """Whether the program runs in a kernel, as in a notebook."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return getattr(shell, "kernel", None) is not None


def of_futures(batches: Iterable[Iterable[Any]], total: int, shown: Bar, clock: Callable[[], float]) -> None:
    """Show how many futures are done, as they arrive in batches."""
    begin = clock()
    done = 0
    failed: Counter[str] = Counter()
    shown.show(State(0, total, 0.0, {}))
    for batch in batches:
        for future in batch:
            done += 1
            if future.status == "error":
                failed[type(future.exception()).__name__] += 1
            elif future.status == "cancelled":
                failed["cancelled"] += 1
        shown.show(State(done, total, clock() - begin, dict(failed)))
    shown.close()


def of_elements(elements: Iterable[Any], shown: Bar | None = None) -> Iterable[Any]:
    """Show how many elements of an iterable have been taken.

    Examples
    --------
    >>> import io
    >>> from thalweg.view.progress import bar, of_elements
    >>> output = io.StringIO()
    >>> sum(of_elements([1, 2, 3], bar(output)))
    6
    >>> "3 of 3" in output.getvalue()
    True
    """
    shown = shown or bar()
    return elements if shown is None else _counted(elements, shown)


def _counted(elements: Iterable[Any], shown: Bar) -> Iterator[Any]:
    total = length_hint(elements, -1)
    known = None if total < 0 else total
    begin = last = time.monotonic()
    done = 0
    try:
        for done, x in enumerate(elements, 1):
            yield x
            now = time.monotonic()
            if now - last >= _PERIOD:
                last = now
                shown.show(State(done, known, now - begin, {}))
    finally:
        shown.show(State(done, known, time.monotonic() - begin, {}))
        shown.close()


def of_stream(stream: Stream[Any], total: int | None, shown: Bar) -> None:
    """Show how many elements a node has received, until its pipeline is drained or `total` have arrived.

    A thread reads the node's counters ten times a second, so that an element costs nothing.
    """
    ended = threading.Event()
    before = stream._drained

    def drained() -> None:
        ended.set()
        watch.join()
        if before is not None:
            before()

    stream._drained = drained
    watch = threading.Thread(
        target=_watch, args=(weakref.ref(stream), total, shown, ended), name="thalweg progress", daemon=True
    )
    watch.start()


def _watch(known: Callable[[], Stream[Any] | None], total: int | None, shown: Bar, ended: threading.Event) -> None:
    begin = time.monotonic()
    is_over = False
    while not is_over:
        is_over = ended.wait(_PERIOD)
        stream = known()
        if stream is None:
            break
        counters = stream.counters()
        # The beginning of a pipeline receives nothing: what it has emitted counts.
        done = counters["received" if stream.upstreams else "sent"]
        failed = {"elements": counters["failed"]} if counters["failed"] else {}
        shown.show(State(done, total, time.monotonic() - begin, failed))
        is_over = is_over or (total is not None and done >= total)
        del stream
    shown.close()
