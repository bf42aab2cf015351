"""The notebooks of the documentation run completely and reproduce their stored output."""

from __future__ import annotations

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def shown(notebook):
    """Return the output of each code cell, as text."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[output.get("data", {}).get("text/plain", output.get("text")) for output in cell.outputs] for cell in cells]


def test_all_notebooks_are_tested():
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_matches_its_stored_output(path, monkeypatch, tmp_path):
    # The kernel runs in this interpreter and must leave no files behind.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(path, as_version=4)
    before = shown(notebook)
    assert any(before)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert shown(notebook) == before
