"""The snippets that describe the system run unchanged, for rapidz and for streamz, and lose nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = sorted((Path(__file__).parent / "seeds").glob("*.py"))
PEERS = ["rapidz", "streamz"]

pytest.importorskip("tornado")
pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """All programs run at once: they mostly sleep."""
    directory = tmp_path_factory.mktemp("seeds")
    processes = {}
    for seed in SEEDS:
        for peer in PEERS:
            script = directory / f"{peer}_{seed.name}"
            script.write_text(seed.read_text().replace("from rapidz import", f"from {peer} import"))
            processes[seed.stem, peer] = subprocess.Popen(
                [sys.executable, "-m", "thalweg", "run", str(script)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=directory,
                env={**os.environ, "DASK_DISTRIBUTED__DASHBOARD__LINK": ""},
            )
    yield processes
    for process in processes.values():
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("seed", [seed.stem for seed in SEEDS])
def test_each_program_prints_all_ten_lines_in_order(running, seed, peer):
    output, errors = running[seed, peer].communicate(timeout=120)
    assert output.split() == [str(x) for x in range(1, 11)], errors
    assert running[seed, peer].returncode == 0, errors
