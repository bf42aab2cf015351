"""The last elements of nodes: shown only if enabled, within bounds, and without delaying emitters."""

from __future__ import annotations

import json
import threading
import urllib.request

import pytest

import thalweg
from support import until
from thalweg import Stream

BOUND = 60


def get(dashboard, path):
    with urllib.request.urlopen(dashboard.link.replace("/status", path), timeout=BOUND) as answer:
        return answer.read().decode()


def page(dashboard, pipeline, node):
    """Return the text of a node's page."""
    pipelines = json.loads(get(dashboard, "/info"))["pipelines"]
    found = next(each for each in pipelines if each["name"] == pipeline)
    number = next(each["id"] for each in found["nodes"] if each["name"] == node)
    return get(dashboard, f"/node/{found['id']}/{number}")


@pytest.fixture
def dashboard():
    with thalweg.dashboard(port=0, show_elements=3) as served:
        yield served


def test_elements_are_hidden_by_default():
    with thalweg.dashboard(port=0) as served:
        source = Stream(stream_name="secrets")
        source.map(str, stream_name="text").sink(lambda x: None)
        get(served, "/status")
        source.emit("my password")
        text = page(served, "secrets", "text")
        assert "Last elements" not in text
        assert "my password" not in text


@pytest.mark.parametrize("wrong", [-1, 101, True, "5"])
def test_an_invalid_number_is_refused(wrong):
    with pytest.raises(ValueError, match="show_elements"):
        thalweg.dashboard(port=0, show_elements=wrong)


def test_elements_are_shown_at_each_node(dashboard):
    source = Stream(stream_name="shown")
    source.map(abs, stream_name="positive").partition(2, stream_name="pairs").sink(print, stream_name="out")
    get(dashboard, "/status")
    for x in (-1, -2):
        source.latency()
        source.emit(x)
    until(lambda: "<code>-1</code>" in page(dashboard, "shown", "positive"))
    assert "<code>2</code>" in page(dashboard, "shown", "pairs")
    until(lambda: "<code>(1, 2)</code>" in page(dashboard, "shown", "out"))


def test_failing_and_long_reprs_are_shown_as_such(dashboard):
    class Shy:
        def __repr__(self):
            raise RuntimeError("not now")

    source = Stream(stream_name="odd")
    source.sink(lambda x: None, stream_name="out")
    get(dashboard, "/status")
    source.emit(Shy())
    until(lambda: "&lt;Shy: its repr raised RuntimeError&gt;" in page(dashboard, "odd", "out"))
    source.latency()
    source.emit(["<script>", "x" * 10_000])
    until(lambda: "&lt;script&gt;" in page(dashboard, "odd", "out"))
    assert "<script>" not in page(dashboard, "odd", "out").split("<main")[1]
    assert "x" * 500 not in page(dashboard, "odd", "out")


def test_emitters_do_not_wait_for_a_repr(dashboard):
    told, go = [], threading.Event()

    class Slow:
        def __repr__(self):
            told.append(threading.current_thread())
            go.wait(BOUND)
            return "slow but there"

    source = Stream(stream_name="slow")
    source.sink(lambda x: None, stream_name="out")
    get(dashboard, "/status")
    source.emit(Slow())
    assert "Being fetched." in page(dashboard, "slow", "out")
    assert "slow" in get(dashboard, "/status")
    source.emit(1)
    assert threading.main_thread() not in told
    go.set()
    until(lambda: "slow but there" in page(dashboard, "slow", "out"))


def test_shown_elements_are_not_kept_alive(dashboard):
    import gc
    import weakref

    class Thing:
        pass

    source = Stream(stream_name="things")
    source.sink(lambda x: None, stream_name="out")
    get(dashboard, "/status")
    first = Thing()
    gone = weakref.ref(first)
    source.emit(first)
    del first
    for _ in range(5):
        source.latency()
        source.emit(Thing())
    until(lambda: gc.collect() is not None and gone() is None)
