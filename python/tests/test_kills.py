"""Pipelines on worker processes and on Dask's workers are killed at random moments and restarted until they are done:
no row is missing or duplicated. ``THALWEG_KILLS`` is the minimum number of kills of each."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("THALWEG_KILLS", "2"))
SEED = int(os.environ.get("THALWEG_SEED", os.getpid()))
#: Enough elements that a killed run is never the last one; elements on Dask's workers take longer.
ELEMENTS = {"": 3000 * (KILLS + 1), "dask": 200 * (KILLS + 1)}
PATIENCE = 120


def number(line):
    return int(line)


async def run(directory, address):
    """Copy lines to a table; the test kills this process meanwhile."""
    from thalweg import Database, Stream
    from thalweg.tasks import Client

    database = Database(f"sqlite:{directory / 'out.db'}")
    position = database.position("lines")
    client = Client(address) if address else Client(processes=True, n_workers=2)
    lines = Stream.from_textfile(str(directory / "lines"), position=position, asynchronous=True)
    numbers = lines.scatter(client).map(number).buffer(16).gather()
    is_begun = False

    def row(x):
        nonlocal is_begun
        if not is_begun:
            is_begun = True
            (directory / "begun").touch()
        return {"number": x}

    numbers.map(row).buffer(64).to_sql(database, "rows", create=True)
    lines.start()
    while position.value != str((directory / "lines").stat().st_size):
        await asyncio.sleep(0.01)
    await lines.drain()
    (directory / "done").touch()


def wait_for(path, process):
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None or path.exists(), f"it has ended: {process.returncode}"
        assert time.monotonic() < end, f"it has not written {path.name}"
        time.sleep(0.002)


def kill(directory, address, elements):
    """Start and kill the pipeline, and let the last run finish; return the number of kills."""
    (directory / "lines").write_text("".join(f"{x}\n" for x in range(1, elements + 1)))
    chance, hits = random.Random(SEED), 0
    command = [sys.executable, "-s", __file__, str(directory), address]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    for at in range(KILLS + 1):
        (directory / "begun").unlink(missing_ok=True)
        (directory / "done").unlink(missing_ok=True)
        with subprocess.Popen(command, env=env) as process:
            try:
                if at < KILLS:
                    wait_for(directory / "begun", process)
                    time.sleep(chance.random() * 0.05)
                else:
                    wait_for(directory / "done", process)
                    process.wait(PATIENCE)
            finally:
                process.kill()
        hits += process.returncode == -9
    return hits


def check(directory, address):
    elements = ELEMENTS["dask" if address else ""]
    hits = kill(directory, address, elements)
    sys.stdout.write(f"{Path(__file__).name}: killed {hits} times, seed {SEED}\n")
    with sqlite3.connect(directory / "out.db") as connection:
        rows = [x for (x,) in connection.execute("SELECT number FROM rows ORDER BY number")]
    assert rows == list(range(1, elements + 1)), "rows are missing, or there twice"


@pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux")
def test_a_killed_pipeline_on_worker_processes_loses_and_doubles_nothing(tmp_path):
    check(tmp_path, "")


def test_a_killed_pipeline_on_dask_workers_loses_and_doubles_nothing(tmp_path):
    distributed = pytest.importorskip("distributed")
    local = {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **local) as cluster:
        check(tmp_path, cluster.scheduler_address)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
