"""Drawings of pipelines in notebooks, updated while elements flow."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from thalweg.stream import Stream

#: Interval of updates in seconds.
_PERIOD = 1.0

#: Seconds without a change after which updates end.
_PATIENCE = 600.0

#: Maximum number of drawings that are updated: the latest ones.
_MOST = 20

_drawings: list[Drawing] = []
_lock = threading.Lock()
_thread: threading.Thread | None = None


class Drawing:
    """A displayed drawing, and a weak reference to its pipeline."""

    def __init__(self, stream: Stream[Any], render: Callable[[Any], str], now: float) -> None:
        self._stream = weakref.ref(stream)
        self._render = render
        self._shown = render(stream)
        self._changed = now
        self._handle: Any = None

    def show(self) -> None:
        """Show it, in an output that can be updated."""
        from IPython.display import display

        stream = self._stream()
        self._handle = display(
            {"text/plain": repr(stream), "text/html": self._shown}, raw=True, display_id=_is_notebook()
        )

    def refresh(self, now: float) -> bool:
        """Show it again if it has changed; return whether to continue."""
        stream = self._stream()
        if stream is None or self._handle is None or now - self._changed > _PATIENCE:
            return False
        drawn = self._render(stream)
        if drawn != self._shown:
            self._handle.update({"text/plain": repr(stream), "text/html": drawn}, raw=True)
            self._shown, self._changed = drawn, now
        return True


def show(stream: Stream[Any], render: Callable[[Any], str]) -> None:
    """Show the result of `render` for a stream, and keep it up to date in a notebook.

    Elsewhere, such as in IPython's terminal, it is shown once, since that output cannot be updated.
    """
    drawing = Drawing(stream, render, time.monotonic())
    drawing.show()
    if _is_notebook():
        _keep(drawing)


def _is_notebook() -> bool:
    """Whether output goes to a notebook, where it can be replaced."""
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None


def _keep(drawing: Drawing) -> None:
    global _thread
    with _lock:
        _drawings.append(drawing)
        del _drawings[:-_MOST]
        if _thread is None:
            _thread = threading.Thread(target=_run, name="thalweg-drawings", daemon=True)
            _thread.start()


def _run() -> None:
    global _thread
    while True:
        time.sleep(_PERIOD)
        with _lock:
            drawings = list(_drawings)
        over = [drawing for drawing in drawings if not _refresh(drawing)]
        with _lock:
            _drawings[:] = [drawing for drawing in _drawings if drawing not in over]
            if not _drawings:
                _thread = None
                return


def _refresh(drawing: Drawing) -> bool:
    try:
        return drawing.refresh(time.monotonic())
    except Exception:
        # The notebook has gone, or the pipeline can't be drawn: it stays as it was.
        return False
