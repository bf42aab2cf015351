"""The programs in `typed`, whose types pyright checks, run as written."""

from __future__ import annotations

import runpy
from pathlib import Path

PROGRAMS = runpy.run_path(str(Path(__file__).parent / "typed" / "programs.py"))


def test_lambdas_on_streams_are_typed():
    assert PROGRAMS["lambdas_on_streams"]() == [3, 5]


def test_client_functions_are_typed():
    assert PROGRAMS["functions_of_a_client"]() == (3 + 5, 4, 5, [2, 4], [2, 4])
