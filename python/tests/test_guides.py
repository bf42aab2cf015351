"""The guides: the snippets of each page run in order, and their assertions hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "```python" in path.read_text(encoding="utf-8"))

#: Packages needed by the snippets of a page.
NEEDS = {
    "DASHBOARD.md": ["opentelemetry.sdk", "prometheus_client"],
    "FRAMES.md": ["pandas", "pyarrow"],
    "laptop-to-cluster.md": ["distributed"],
}


def test_there_are_guides():
    assert len(PAGES) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_run(page, tmp_path, python):
    for package in NEEDS.get(page.name, ()):
        pytest.importorskip(package)
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S):
        code = match.group(1).splitlines()
        # Snippets keep their line numbers, so failures name the line of the guide.
        begin = text.count("\n", 0, match.start()) + 1
        lines[begin : begin + len(code)] = code
    (tmp_path / page.with_suffix(".py").name).write_text("\n".join(lines), encoding="utf-8")
    done = python("-I", page.with_suffix(".py").name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_are_valid(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
