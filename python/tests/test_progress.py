"""Progress bars."""

from __future__ import annotations

import gc
import io
import sys
import threading
from contextlib import redirect_stderr

import pytest

from support import PATIENCE
from thalweg import Stream
from thalweg.distributed import Client, progress
from thalweg.view.progress import State, describe


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def last(self) -> str:
        return self.getvalue().rstrip().rpartition("\r")[2]


@pytest.fixture(autouse=True)
def _no_bars_but_ours(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)


def is_watched() -> bool:
    return any(thread.name == "thalweg progress" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(0, None, 0.0, {}), "0"),
        (State(0, 0, 0.0, {}), f"[{'#' * 30}] 0 of 0"),
        (State(1, 3, 0.0, {}), f"[{'#' * 10}{' ' * 20}] 1 of 3"),
        (State(1, 7200, 1.0, {}), f"[{' ' * 30}] 1 of 7200, 1/s, 1:59 h left"),
        (State(1, 121, 1.0, {}), f"[{' ' * 30}] 1 of 121, 1/s, 2:00 min left"),
        (State(5, 4, 1.0, {}), f"[{'#' * 30}] 5 of 4, 5/s"),
        (State(2, None, 4.0, {"B": 1, "A": 2}), "2, 0.5/s, 3 failed: A 2, B 1"),
    ],
)
def test_progress_messages(state, text):
    assert describe(state) == text


def test_futures_that_fail_are_counted_by_kind():
    with redirect_stderr(Terminal()) as terminal:
        with Client(n_workers=2) as client:
            progress(client.map(int, ["1", "x", "y", "2"]))
        assert "4 of 4" in terminal.last
        assert terminal.last.endswith("2 failed: ValueError 2")


def test_nothing_is_printed_without_a_terminal(capsys):
    with Client(n_workers=2) as client:
        futures = client.map(abs, [-1, -2])
        progress(futures)
        assert all(future.done() for future in futures)
    with Stream() as source:
        L = source.progress(total=2).sink_to_list()
        source.emit_many([1, 2], progress=True)
    assert L == [1, 2]
    assert capsys.readouterr() == ("", "")
    assert not is_watched()


def test_emit_many_shows_its_progress():
    with redirect_stderr(Terminal()) as terminal:
        source = Stream()
        L = source.map(int, on_error="skip").sink_to_list()
        source.emit_many(["1", "x", "3"], progress=True)
        assert L == [1, 3]
        assert "3 of 3" in terminal.last
        source.emit_many((str(x) for x in range(5)), progress=True)
        assert terminal.last.startswith("5,")


def test_a_node_shows_its_failures_until_the_drain():
    with redirect_stderr(Terminal()) as terminal:
        with Stream() as source:
            L = source.map(int, on_error="skip").progress(label="numbers").sink_to_list()
            source.emit_many(["1", "x", "3"])
            assert is_watched()
        assert L == [1, 3]
        assert terminal.last.startswith("numbers: 3,")
        assert terminal.last.endswith("1 failed: elements 1")
        assert not is_watched()


def test_progress_keeps_no_pipeline_alive():
    with redirect_stderr(Terminal()):
        source = Stream()
        source.progress()
        watch = next(thread for thread in threading.enumerate() if thread.name == "thalweg progress")
        del source
        gc.collect()
        watch.join(PATIENCE)
        assert not watch.is_alive()
