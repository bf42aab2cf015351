"""The reference pages list every public name exactly once."""

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "reference"

#: Names without their own documentation: from the standard library, or plain values.
ELSEWHERE = {"__version__", "no_default", "CancelledError", "TimeoutError"}


def shown():
    pages = "\n".join(page.read_text() for page in sorted(PAGES.glob("*.md")))
    return re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)


@pytest.mark.parametrize("package", ["thalweg", "thalweg.tasks", "thalweg.dataframe", "thalweg.testing"])
def test_every_public_name_is_on_a_page(package):
    module = import_module(package)
    objects = [getattr(import_module(path.rpartition(".")[0]), path.rpartition(".")[2]) for path in shown()]
    missing = [
        name for name in set(module.__all__) - ELSEWHERE if not any(getattr(module, name) is one for one in objects)
    ]
    assert missing == []


def test_no_name_is_documented_twice():
    assert sorted(set(shown())) == sorted(shown())
