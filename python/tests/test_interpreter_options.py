"""Programs also run under stricter interpreter options."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support import PATIENCE

PROGRAM = """
import asyncio
from thalweg import Client, Stream

def inc(x):
    return x + 1

async def awaited():
    source = Stream(asynchronous=True)
    L = source.map(inc).buffer(3).rate_limit("1ms").sink_to_list()
    for x in range(5):
        await source.emit(x)
    await source.drain()
    return L

def main():
    source = Stream()
    L = source.map(inc).filter(lambda x: x % 2).buffer(5).partition(2).flatten().sink_to_list()
    for x in range(12):
        source.emit(x)
    source.drain()
    expected = [x + 1 for x in range(12) if x % 2 == 0]
    same = [L == expected, asyncio.run(awaited()) == [1, 2, 3, 4, 5]]
    for processes in (False, True):
        with Client(processes=processes, n_workers=1, threads_per_worker=2) as client:
            same.append(client.gather(client.map(inc, range(9))) == list(range(1, 10)))
            source = Stream()
            results = source.scatter(client).map(inc).buffer(4).gather().sink_to_list()
            for x in range(9):
                source.emit(x)
            source.drain()
            same.append(results == list(range(1, 10)))
    print(same)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("options", [["-bb"], ["-OO"], ["-W", "error"], ["-X", "dev"]], ids=" ".join)
def test_a_program_runs_under_interpreter_options(options, tmp_path):
    pytest.importorskip("cloudpickle")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = os.environ | {"PYTHONASYNCIODEBUG": "1"} if "dev" in options else None
    done = subprocess.run(
        [sys.executable, *options, str(path)], capture_output=True, text=True, timeout=PATIENCE, env=environment
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{[True] * 6}\n", "", 0)
