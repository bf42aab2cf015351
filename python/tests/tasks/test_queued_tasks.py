"""Tasks that a worker process has been sent before it can run them."""

from __future__ import annotations

import time

import pytest

from thalweg.tasks import Client


def increment(x):
    return x + 1


def hold(path):
    while not path.exists():
        time.sleep(0.001)


@pytest.mark.parametrize("released", [0, 1])
def test_quick_tasks_behind_a_slow_one_go_to_an_idle_worker(tmp_path, released):
    """A task that takes long gave no sign of it: they waited for its end."""
    paths = [tmp_path / "0", tmp_path / "1"]
    with Client(processes=True, n_workers=2, threads_per_worker=1) as client:
        # The workers know the function as quick, and are sent many of its tasks.
        client.gather(client.map(increment, range(1000)))
        slow = [client.submit(hold, path) for path in paths]
        quick = client.map(increment, range(20))
        try:
            paths[released].touch()
            slow[released].result()
            assert [future.result(timeout=30) for future in quick] == list(range(1, 21))
            assert slow[1 - released].status == "pending"
        finally:
            for path in paths:
                path.touch()
