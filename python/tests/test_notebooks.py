"""Pipelines in notebooks: a drawing that is updated live."""

from __future__ import annotations

import gc
import sys

import pytest

from thalweg import Stream
from thalweg.view import live_drawing, notebook
from thalweg.view.live_drawing import Drawing

display = pytest.importorskip("IPython.display")


class Handle:
    def __init__(self):
        self.shown = []

    def update(self, data, raw):
        assert raw
        self.shown.append(data["text/html"])


@pytest.fixture
def handle(monkeypatch):
    """A display handle, as `display` returns it in a notebook."""
    made = Handle()

    def show(data, raw, display_id):
        assert display_id
        made.shown.append(data["text/html"])
        return made

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr(live_drawing, "_is_notebook", lambda: True)
    return made


def test_a_drawing_is_updated_only_when_the_pipeline_changes(handle):
    source = Stream()
    source.map(abs, stream_name="positive").sink(lambda x: None)
    drawing = Drawing(source, notebook.repr_html, 0.0)
    drawing.show()
    assert "positive" in handle.shown[0]
    assert drawing.refresh(1.0)
    assert len(handle.shown) == 1
    source.emit(-1)
    assert drawing.refresh(2.0)
    assert len(handle.shown) == 2
    assert "1 in" in handle.shown[1]


def test_a_drawing_stops_refreshing_when_idle(handle):
    source = Stream()
    drawing = Drawing(source, notebook.repr_html, 0.0)
    drawing.show()
    assert drawing.refresh(600.0)
    assert not drawing.refresh(601.0)


def test_a_drawing_keeps_no_pipeline_alive(handle):
    source = Stream()
    drawing = Drawing(source, notebook.repr_html, 0.0)
    drawing.show()
    del source
    gc.collect()
    assert not drawing.refresh(1.0)


def test_without_widgets_a_stream_is_shown_as_a_drawing(handle, monkeypatch):
    kept = []
    monkeypatch.setattr(notebook, "_output", lambda: None)
    monkeypatch.setattr(live_drawing, "_keep", kept.append)
    source = Stream(stream_name="orders")
    source._ipython_display_()
    assert "orders" in handle.shown[0]
    source.sink(lambda x: None)
    assert kept[0].refresh(1.0)
    assert len(handle.shown) == 2


def test_a_terminal_is_written_to_once(monkeypatch, capsys):
    monkeypatch.setattr(notebook, "_output", lambda: None)
    monkeypatch.setattr(live_drawing, "_keep", lambda drawing: pytest.fail("nothing can be changed there"))
    assert "IPython" in sys.modules
    Stream(stream_name="orders")._ipython_display_()
    assert "orders" in capsys.readouterr().out
