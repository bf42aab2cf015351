"""Drawings of pipelines in notebooks, kept up to date for as long as something happens in the pipeline."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from thalweg.stream import Stream

#: Seconds between two looks at a pipeline.
_PERIOD = 1.0

#: For how many seconds a pipeline in which nothing happens is looked at.
_PATIENCE = 600.0

#: Drawings that are kept up to date, at most: of more, those that were shown last.
_MOST = 20

_drawings: list[Drawing] = []
_lock = threading.Lock()
_thread: threading.Thread | None = None


class Drawing:
    """A drawing that is shown, and the pipeline that it is of, which it is no reason for to live."""

    def __init__(self, stream: Stream[Any], render: Callable[[Any], str], now: float) -> None:
        self._stream = weakref.ref(stream)
        self._render = render
        self._shown = render(stream)
        self._changed = now
        self._handle: Any = None

    def show(self) -> None:
        """Show it, in a place that can be changed later."""
        from IPython.display import display

        stream = self._stream()
        self._handle = display(
            {"text/plain": repr(stream), "text/html": self._shown}, raw=True, display_id=_is_notebook()
        )

    def refresh(self, now: float) -> bool:
        """Show it as it is now, if it has changed; return whether it is to be looked at again."""
        stream = self._stream()
        if stream is None or self._handle is None or now - self._changed > _PATIENCE:
            return False
        drawn = self._render(stream)
        if drawn != self._shown:
            self._handle.update({"text/plain": repr(stream), "text/html": drawn}, raw=True)
            self._shown, self._changed = drawn, now
        return True


def show(stream: Stream[Any], render: Callable[[Any], str]) -> None:
    """Show what `render` makes of a stream, and keep it up to date in a notebook.

    Elsewhere, in IPython's terminal say, it is shown once: what is written there can't be changed.
    """
    drawing = Drawing(stream, render, time.monotonic())
    drawing.show()
    if _is_notebook():
        _keep(drawing)


def _is_notebook() -> bool:
    """Whether what is shown goes to a notebook, where it can be replaced."""
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
