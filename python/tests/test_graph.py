"""Pictures of pipelines, drawn from stand-in nodes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from thalweg.graph import build_node_set, create_graph, readable_graph, to_graphviz, visualize

from thalweg import Stream, graph


class Node:
    _graphviz_shape = "box"
    _graphviz_style = "filled"
    _graphviz_fillcolor = "white"
    _graphviz_orientation = 0

    def __init__(self, name, *upstreams):
        self.name = name
        self.upstreams = list(upstreams)
        self.downstreams: list[Node] = []
        for upstream in upstreams:
            if upstream is not None:
                upstream.downstreams.append(self)

    def __str__(self):
        return f"<{self.name}>"

    def _svg(self):
        return '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'

    def _dot(self):
        return "digraph pipeline { a }"

    def _png(self):
        """There are no fonts."""


@pytest.fixture
def diamond():
    source = Node("in")
    left, right = Node("map", source), Node("map", source)
    return source, left, right, Node("zip", left, right)


@pytest.fixture(params=["the package is missing", "the program is missing"])
def without_graphviz(request, monkeypatch, tmp_path):
    if request.param == "the package is missing":
        monkeypatch.setitem(sys.modules, "graphviz", None)
    else:
        pytest.importorskip("graphviz")
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cairosvg", None)


def test_all_nodes_are_found_from_any(diamond):
    for node in diamond:
        assert build_node_set(node) == set(diamond)
    known = {"something"}
    assert build_node_set(diamond[0], known) is known == {"something", *diamond}


def test_nodes_in_a_loop_and_without_upstream_are_found():
    first = Node("first", None)
    second = Node("second", first)
    second.downstreams.append(first)
    first.upstreams.append(second)
    assert build_node_set(first) == {first, second}


def test_a_long_pipeline_can_be_drawn():
    first = last = Node("0")
    for i in range(5_000):
        last = Node(str(i), last)
    assert len(build_node_set(first)) == 5_001


class TestNetworkx:
    nx = pytest.importorskip("networkx")

    def fill(self, node):
        filled = self.nx.DiGraph()
        create_graph(node, filled)
        return filled

    def test_edges_and_their_order(self, diamond):
        source, left, right, join = diamond
        edges = {(a, b): attributes for a, b, attributes in self.fill(join).edges(data=True)}
        assert edges == {
            (hash(source), hash(left)): {"label": "0"},
            (hash(source), hash(right)): {"label": "1"},
            (hash(left), hash(join)): {},
            (hash(right), hash(join)): {},
        }

    def test_edges_that_trigger_a_join_are_dashed(self, diamond):
        _, left, right, join = diamond
        for emit_on in (left, (left,), [0], 0):
            join.emit_on = emit_on
            edges = self.fill(join).edges
            assert edges[hash(left), hash(join)] == {"style": "dashed"}
            assert edges[hash(right), hash(join)] == {}
        join.emit_on = (left, right)
        assert self.fill(join).edges[hash(left), hash(join)] == {}

    def test_equal_names_are_numbered(self, diamond):
        assert sorted(readable_graph(self.fill(diamond[0]))) == [" in ", " map ", " map -1", " zip "]

    def test_attributes_and_options_of_graphviz(self, diamond):
        pytest.importorskip("graphviz")
        named = readable_graph(self.fill(diamond[0]))
        assert "rankdir=LR" in to_graphviz(named, rankdir="LR").source
        assert "digraph pipeline" in to_graphviz(named, name="pipeline").source


def test_graphviz_draws_where_it_is_installed(diamond, tmp_path):
    pytest.importorskip("networkx")
    graphviz = pytest.importorskip("graphviz")
    try:
        graphviz.version()
    except (graphviz.ExecutableNotFound, subprocess.CalledProcessError):
        pytest.skip("graphviz's program is not installed")
    for name, start in (("a.png", b"\x89PNG"), ("b.jpg", b"\xff\xd8"), ("c.dot", b"digraph"), ("d", b"\x89PNG")):
        visualize(diamond[0], tmp_path / name)
        written = tmp_path / (name if "." in name else name + ".png")
        assert written.read_bytes().startswith(start)


@pytest.mark.usefixtures("without_graphviz")
class TestWithoutGraphviz:
    def test_svg(self, diamond, tmp_path):
        visualize(diamond[0], tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_text() == diamond[0]._svg()

    def test_dot(self, diamond, tmp_path):
        visualize(diamond[0], tmp_path / "a.dot", rankdir="LR")
        text = (tmp_path / "a.dot").read_text()
        assert text.startswith("digraph") and "rankdir" in text

    def test_png(self, tmp_path):
        if Stream()._png() is None:
            pytest.skip("there are no fonts here")
        visualize(Stream(stream_name="in").map(str), tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("name", ["a.jpg", "a.pdf", "a.png"])
    def test_a_failed_drawing_raises_and_writes_no_file(self, diamond, tmp_path, name):
        with pytest.raises(ImportError, match=r"pip install 'thalweg\[graph\]'"):
            visualize(diamond[0], tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == []

    def test_no_file_is_written_unasked(self, diamond, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        visualize(diamond[0])
        assert [path.name for path in tmp_path.iterdir()] == []
        monkeypatch.setattr(graph.errors, "logger_name", "streamz")
        if Stream()._png() is None:
            pytest.skip("there are no fonts here")
        visualize(Stream())
        assert [path.name for path in tmp_path.iterdir()] == ["mystream.png"]

    def test_unsupported_options_are_reported(self, diamond, tmp_path):
        with pytest.warns(UserWarning, match="drawn without rankdir"):
            visualize(diamond[0], tmp_path / "a.svg", rankdir="LR")

    def test_png_with_another_converter(self, diamond, tmp_path, monkeypatch):
        monkeypatch.setattr(graph, "_convert", lambda svg, form: b"converted to " + form.encode())
        visualize(diamond[0], tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == b"converted to png"

    def test_in_a_notebook(self, diamond):
        display = pytest.importorskip("IPython.display")
        shown = visualize(diamond[0], None)
        assert isinstance(shown, display.SVG)
        assert "svg" in shown.data


def test_nothing_is_shown_outside_a_notebook(diamond, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setitem(sys.modules, "graphviz", None)
    assert visualize(diamond[0], tmp_path / "a.svg") is None
