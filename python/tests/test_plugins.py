"""Plugins, installed from a package made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from thalweg.plugins import load_plugins


class Registry:
    """A registry in which one name is taken."""

    def __init__(self):
        self.nodes: dict[str, object] = {}

    def register_plugin_entry_point(self, entry_point, modifier=None):
        if entry_point.name == "map":
            raise ValueError("there is a node of that name")
        assert entry_point.name not in self.nodes
        self.nodes[entry_point.name] = modifier


@pytest.fixture
def package(tmp_path: Path, monkeypatch):
    def offer(entry_points: str) -> None:
        information = tmp_path / "gauges-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: gauges\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(str(tmp_path))

    return offer


def test_plugins_of_both_entry_point_groups_are_found_lazily(package):
    package("""
[streamz.sources]
from_gauge = nowhere:FromGauge
[thalweg.nodes]
smooth = nowhere:smooth
[thalweg.sinks]
to_dial = nowhere:to_dial
""")
    registry = Registry()
    load_plugins(registry)
    assert registry.nodes == {"from_gauge": staticmethod, "smooth": None, "to_dial": None}


def test_a_plugin_listed_twice_is_loaded_once(package):
    package("[streamz.nodes]\nsmooth = nowhere:smooth\n[thalweg.nodes]\nsmooth = nowhere:smooth\n")
    registry = Registry()
    load_plugins(registry)
    assert list(registry.nodes) == ["smooth"]


def test_a_taken_name_is_a_warning(package):
    package("[streamz.nodes]\nmap = nowhere:map\nsmooth = nowhere:smooth\n")
    registry = Registry()
    with pytest.warns(UserWarning, match="'map' of gauges is left out: there is a node of that name"):
        load_plugins(registry)
    assert list(registry.nodes) == ["smooth"]
