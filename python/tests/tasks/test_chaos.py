"""Random task graphs with many injected faults: `chaos.py` runs them, for a few seconds each.

For longer runs: `THALWEG_CHAOS_SECONDS=900`; for other graphs: `THALWEG_CHAOS_SEED=2`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("THALWEG_CHAOS_SECONDS", "3"))
SEED = int(os.environ.get("THALWEG_CHAOS_SEED", "1"))

PROGRAM = Path(__file__).with_name("chaos.py")


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("mode", ["blocking", "asynchronous"])
def test_results_or_errors_are_right_and_nothing_leaks(kind, mode):
    arguments = [kind, mode, str(SECONDS), str(SEED)]
    done = subprocess.run(
        [sys.executable, "-I", PROGRAM, *arguments], capture_output=True, text=True, timeout=SECONDS + 100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
