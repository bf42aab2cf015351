"""Shared fixtures."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import PATIENCE, Python, without_progress
from thalweg import _upcalls
from thalweg.runtime import pipelines

# Background processes of a shell ignore Ctrl-C, and their children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> Iterator[None]:
    """Exclude objects of imported packages from garbage collection: the tests collect often."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_other_pipelines(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Hide pipelines of other tests from a test that drains all; return those that it builds."""
    found: list[object] = []
    monkeypatch.setattr(pipelines, "_known", found)
    monkeypatch.setattr(_upcalls, "register", found.append)
    return found


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run the interpreter in an empty directory, in a separate process.

    Reports of slow delivery are removed from its stderr: they depend on the load of the machine.
    """

    def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        done.stderr = without_progress(done.stderr)
        return done

    return run
