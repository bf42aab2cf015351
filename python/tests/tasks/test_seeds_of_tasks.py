"""The snippets that describe the client run, unchanged and with one import changed."""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import queue
import threading
import urllib.request
from pathlib import Path

import pytest

import thalweg.distributed
from thalweg.tasks import AioClient, Client

SEEDS = Path(__file__).parent.parent / "seeds" / "tasks"

#: Complete programs that end by running a function in a loop.
PROGRAMS = ["tornado_async_await", "tornado_coroutine", "asyncio_aio_client"]


def listing(name, ours=False, last=None):
    text = (SEEDS / f"{name}.py").read_text()
    # Tornado never had `gen.Result`; it means `gen.Return`.
    text = text.replace("gen.Result", "gen.Return")
    if ours:
        text = text.replace("from dask.distributed", "from thalweg.distributed")
        text = text.replace("from distributed.asyncio", "from thalweg.distributed.asyncio")
    if last is not None:
        *before, call = text.rstrip().splitlines()
        text = "\n".join([*before, last.format(call)])
    return text


@pytest.fixture
def run(python, tmp_path):
    pytest.importorskip("tornado")

    def run(text, *arguments):
        (tmp_path / "program.py").write_text(text)
        return python("-W", "ignore::DeprecationWarning", *arguments, "program.py")

    return run


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_snippets_run_with_one_import_changed(run, name):
    done = run(listing(name, ours=True, last="print({})"))
    assert (done.stdout, done.stderr, done.returncode) == ("11\n", "", 0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_snippets_run_unchanged(run, name):
    done = run(listing(name), "-m", "thalweg", "run", "--as", "distributed")
    assert (done.stderr, done.returncode) == ("", 0)
    done = run(listing(name, last="print({})"), "-m", "thalweg", "run", "--as", "distributed")
    assert (done.stdout, done.stderr, done.returncode) == ("11\n", "", 0)


def test_a_snippet_for_an_older_tornado_fails(run):
    done = run((SEEDS / "tornado_coroutine.py").read_text(), "-m", "thalweg", "run", "--as", "distributed")
    assert done.stderr.splitlines()[-1].startswith("AttributeError: module 'tornado.gen' has no attribute 'Result'")


def evaluate(name, **names):
    """Run a snippet with top-level await, and return its names."""
    code = compile(listing(name, ours=True), name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    space = {"Client": Client, "AioClient": AioClient, **names}

    async def main():
        awaited = eval(code, space)
        if awaited is not None:
            await awaited
        await space["client"].close(asynchronous=True)

    asyncio.run(main())
    return space


def test_basic_operation(capsys):
    assert evaluate("basic_operation")["result"] == 11
    assert capsys.readouterr().out == "11\n"


def test_the_asyncio_client_example():
    assert evaluate("aio_client")["result"] == 11


def test_one_client_works_sync_and_async():
    space = {"Client": Client, "func": lambda x: x * x, "L": range(3)}
    exec(listing("both_ways"), space)
    with space["client"]:
        assert asyncio.run(space["f"]()) == [0, 1, 4]


def with_our_executor(name):
    """A snippet with the client's executor, and a barrier of five instead of a one-second sleep."""
    text = (SEEDS / f"{name}.py").read_text()
    text = text.replace("concurrent.futures.ThreadPoolExecutor(max_workers=5)", "client.get_executor()")
    return text.replace("time.sleep(1)", "barrier.wait(60)")


def test_five_slow_operations_at_once():
    with Client(n_workers=5) as client:
        space = {"client": client, "barrier": threading.Barrier(5)}
        exec(with_our_executor("slow_operations"), space)
        assert [future.exception() for future in space["queue_operations"]] == [None] * 5


def test_a_web_server_with_five_requests_at_once(monkeypatch):
    ioloop = pytest.importorskip("tornado.ioloop")
    import tornado.web

    listening: queue.Queue = queue.Queue()
    listen = tornado.web.Application.listen

    def listen_somewhere(application, port):
        assert port == 8888
        server = listen(application, 0, address="127.0.0.1")
        (socket,) = server._sockets.values()
        listening.put((ioloop.IOLoop.current(), socket.getsockname()[1]))
        return server

    monkeypatch.setattr(tornado.web.Application, "listen", listen_somewhere)

    def serve():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        exec(with_our_executor("run_on_executor"), {"client": client, "barrier": threading.Barrier(5)})
        loop.close()

    with Client(n_workers=5) as client, concurrent.futures.ThreadPoolExecutor(6) as threads:
        server = threads.submit(serve)
        loop, port = listening.get(timeout=60)
        try:
            assert list(threads.map(fetch, [f"http://127.0.0.1:{port}/"] * 5)) == [b"True"] * 5
        finally:
            loop.add_callback(loop.stop)
            server.result(timeout=60)


def fetch(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read()


def test_names():
    names = thalweg.distributed.__all__
    distributed = pytest.importorskip("distributed")
    assert [name for name in names if not hasattr(distributed, name)] == ["ALL_COMPLETED", "FIRST_COMPLETED"]


def test_importing_thalweg_does_not_import_tasks(python):
    heavy = "asyncio", "concurrent.futures", "logging", "pickle", "multiprocessing", "thalweg.tasks"
    done = python("-c", f"import sys, thalweg; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout == "[]\n"


ALIASED = """
import sys
from thalweg import install_as
install_as("distributed")
import distributed, dask.distributed, distributed.client
from distributed.asyncio import AioClient
print(distributed.Client is dask.distributed.Client is distributed.client.Client, distributed.__name__)
"""


def test_both_names_are_one_module(python):
    assert python("-c", ALIASED).stdout == "True thalweg.distributed\n"


def test_both_names_are_one_module_without_dask(python):
    program = """
import importlib.machinery
find_spec = importlib.machinery.PathFinder.find_spec
def without_dask(name, *args):
    return None if name == "dask" else find_spec(name, *args)
importlib.machinery.PathFinder.find_spec = without_dask
"""
    assert python("-c", program + ALIASED).stdout == "True thalweg.distributed\n"


def test_dask_computes_on_the_aliased_client(python):
    pytest.importorskip("dask")
    program = """
from dask import delayed
from threading import current_thread, main_thread
def where():
    return current_thread() is main_thread()
with distributed.Client() as client:
    print(delayed(where)().compute(), client.compute(delayed(where)()).result())
"""
    assert python("-c", ALIASED + program).stdout == "True thalweg.distributed\nFalse False\n"
