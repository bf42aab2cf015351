"""The client of a Dask cluster whose scheduler and workers are separate processes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from support import PATIENCE
from thalweg.tasks import AioClient, Client, LocalCluster

distributed = pytest.importorskip("distributed")

CLUSTER = """
import distributed
if __name__ == "__main__":
    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster:
        print(cluster.scheduler_address, flush=True)
        input()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    script = tmp_path_factory.mktemp("cluster") / "cluster.py"
    script.write_text(CLUSTER)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=script.parent,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("\n", timeout=PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_remote_client_has_the_same_methods(address):
    with Client(address) as client:
        futures = client.map(pow, [2, 3], [3, 2])
        assert client.gather(futures) == [8, 9]
        assert client.submit(sum, futures).result() == 17
        assert client.gather(client.scatter({"a": 1})) == {"a": 1}
        assert client.get({"a": (abs, -1)}, "a") == 1
        with client.get_executor() as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]


def test_calls_are_impure_by_default(address):
    with Client(address) as client:
        assert client.submit(abs, -1).key != client.submit(abs, -1).key
        assert client.submit(abs, -1, pure=True).key == client.submit(abs, -1, pure=True).key
        assert client.map(abs, [-1])[0].key != client.map(abs, [-1])[0].key
        with pytest.raises(ValueError, match="processes=True"):
            client.submit(abs, -1, time_limit=5)
        with pytest.raises(ValueError, match="processes=True"):
            client.map(abs, [-1], time_limit=5)


def test_with_an_asynchronous_client(address):
    async def main():
        results = []
        async with AioClient(address) as client:
            results.append(await client.submit(abs, -1))
        client = await Client(address, asynchronous=True)
        results += await client.gather(client.map(abs, [-2, -3]))
        await client.close()
        return results

    assert asyncio.run(main()) == [1, 2, 3]


def test_a_dask_cluster_instead_of_its_address():
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        assert client.submit(abs, -1).result() == 1
        assert isinstance(client, distributed.Client)


def test_a_thalweg_cluster_makes_no_dask_client():
    with LocalCluster(n_workers=1) as cluster, Client(cluster) as client:
        assert not isinstance(client, distributed.Client)


@pytest.fixture
def nobody():
    """An address without a listener."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def deaf():
    """An address with a listener that never responds."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("form", ["tcp://{}", "{}"])
@pytest.mark.parametrize("timeout", [0.3, "300ms"])
def test_an_unreachable_scheduler_is_an_error(nobody, form, timeout):
    with pytest.raises(OSError, match=nobody):
        Client(form.format(nobody), timeout=timeout)


def test_an_unresponsive_scheduler_is_an_error(deaf):
    with pytest.raises(OSError, match=deaf):
        Client(f"tcp://{deaf}", timeout=0.3)


def test_an_unreachable_scheduler_is_an_error_asynchronously(nobody):
    async def main():
        with pytest.raises(OSError, match=nobody):
            await AioClient(f"tcp://{nobody}", timeout=0.3)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("address", ["tcp://", "nonsense://x", "tcp://127.0.0.1", "::", object(), 1.5])
def test_an_invalid_address_is_named(address):
    with pytest.raises((OSError, ValueError, TypeError)) as error:
        Client(address, timeout=0.3)
    assert repr(address) in str(error.value)


def test_a_failed_connection_leaves_no_threads(nobody):
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(OSError, match=nobody):
            Client(f"tcp://{nobody}", timeout=0.1)
    loops = [thread.name for thread in threading.enumerate() if thread.name == "IO loop"]
    assert threading.active_count() <= before + 1, loops  # one executor thread for name lookups of the loops


def test_a_missing_dask_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "thalweg.tasks.dask.client", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'thalweg\[dask\]'"):
        Client("tcp://127.0.0.1:1")


def test_an_alias_of_distributed_is_explained(python, nobody):
    program = (
        "from thalweg import install_as; install_as('distributed'); import distributed; "
        f"distributed.Client('tcp://{nobody}')"
    )
    done = python("-c", program)
    assert done.stderr.splitlines()[-1].startswith("ImportError: 'distributed' stands for thalweg")
