"""The gallery: each program runs on its own, and its picture shows its pipeline.

With the variable ``THALWEG_DRAW`` set, the pictures are redrawn.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")

#: Code and picture of each program, by name.
PROGRAMS = {
    name: (code, picture)
    for name, code, picture in re.findall(
        r"^## ([^\n]+)\n.*?^```python\n(.*?)^```\n.*?^!\[[^\n]+\]\(([^)]+)\)", PAGE, re.M | re.S
    )
}


def test_every_program_of_the_page_has_a_picture():
    assert len(PROGRAMS) == PAGE.count("\n## ") == 12
    drawn = {path.relative_to(DOCS).as_posix() for path in (DOCS / "gallery").iterdir()}
    assert {picture for _, picture in PROGRAMS.values()} == drawn


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_passes_and_matches_its_picture(name):
    code, picture = PROGRAMS[name]
    namespace: dict = {"__name__": "gallery"}
    exec(compile(code, name, "exec"), namespace)
    drawing = namespace["source"]._svg()
    path = DOCS / picture
    if "THALWEG_DRAW" in os.environ:
        path.write_text(drawing, encoding="utf-8")
    assert shown(path.read_text(encoding="utf-8")) == shown(drawing)


def shown(drawing):
    """Return the texts of a picture, except wait times, which differ from run to run."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", drawing)
    return [re.sub(r" · [^·]+ waited", "", text) for text in texts]
