"""The guide: its snippets run, one after the other, and what they assert holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

GUIDE = Path(__file__).parents[3] / "docs" / "FRAMES.md"


def test_the_snippets_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = GUIDE.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "guide"}
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, match.start()) + 1
        # So that what fails says which line of the guide it is.
        exec(compile("\n" * line + match.group(1), GUIDE, "exec"), names)
    assert names["counts"]
