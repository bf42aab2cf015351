"""A program with tasks ends promptly, however it ends, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from support import rest_of
from thalweg.tasks import Client, as_completed, current_token, fire_and_forget, get_client, wait

WAYS = {
    "result": "client.submit(stuck).result()",
    "gather": "client.gather(client.map(stuck, range(3)))",
    "gather nested": "client.gather({'a': client.submit(stuck)})",
    "wait": "wait(client.map(stuck, range(3)))",
    "as completed": "list(as_completed(client.map(stuck, range(3))))",
    "event": "Event('never').wait()",
    "lock": "lock = Lock('mine'); lock.acquire(); lock.acquire()",
    "queue": "Queue('mine').get()",
    "executor": "list(client.get_executor().map(stuck, range(3)))",
    "get": "client.get({'a': (stuck, 1)}, 'a')",
    "sync": "client.sync(asyncio.Event().wait)",
    "asynchronously": "asyncio.run(awaiting())",
}

PROGRAM = r"""
import asyncio, os, sys, threading
from thalweg.tasks import *

def stuck(*_):
    os.write(1, b"ready\n")
    while not current_token().cancelled:
        pass

client = Client(n_workers=2)

async def awaiting():
    async with AioClient(n_workers=1) as client:
        await client.submit(stuck)

client.sync(asyncio.sleep, 0)
try:
    if {needs_no_task}:
        os.write(1, b"ready\n")
    {way}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_interrupts_the_program(tmp_path, way):
    pytest.importorskip("dask") if way == "get" else None
    program = PROGRAM.replace("{way}", WAYS[way])
    program = program.replace("{needs_no_task}", str(way in ("event", "lock", "queue", "sync")))
    path = tmp_path / "program.py"
    path.write_text(program)
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            os.kill(process.pid, signal.SIGINT)
            output, errors = rest_of(process)
        finally:
            process.kill()
    assert output.replace("ready\n", "") == "interrupted\n", errors
    assert (errors, process.returncode) == ("", 0)


ENDS = {
    "nothing to do": "",
    "tasks that wait": "futures = client.map(stuck, range(100))",
    "unwanted tasks": "client.map(stuck, range(100))",
    "many short tasks": "futures = client.map(abs, range(100_000))",
    "a callback": "future = client.submit(stuck); future.add_done_callback(print)",
    "a failure": "client.submit(int, 'x')",
    "a waiting thread": "threading.Thread(target=client.gather, args=([future],), daemon=True).start()",
    "an event that is waited for": "future = client.submit(Event('never').wait)",
    "dropped": "future = client.submit(stuck); del client, future",
    "closed": "future = client.submit(stuck); client.close()",
    "in a task": "future = client.submit(lambda: get_client().map(stuck, range(100)))",
    "a module's exit": "import atexit; atexit.register(client.close); future = client.submit(stuck)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_without_closing_its_client(python, tmp_path, end):
    program = """
        import threading
        from thalweg.tasks import *

        def stuck(*_):
            while not current_token().cancelled:
                pass

        client = Client(n_workers=2)
        future = client.submit(pow, 2, 3)
        future.result()
        {end}
        print("end")
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program).replace("{end}", ENDS[end]))
    done = python("program.py")
    assert done.stdout.startswith("end\n")
    assert (done.stderr, done.returncode) == ("", 0)


DETACHED = """
import sys
from thalweg.tasks import Client, fire_and_forget, get_client

def work(number):
    with open(f"{number}.txt", "x"):
        pass

def later(number):
    fire_and_forget(get_client().submit(work, number))

if __name__ == "__main__":
    client = Client({options})
    {submit}
    {end}
    print("end")
"""


@pytest.mark.parametrize("options", ["n_workers=1, processes=False", "n_workers=1, threads_per_worker=1"])
@pytest.mark.parametrize("end", ["", "client.close()", "sys.exit()"])
@pytest.mark.parametrize(
    "submit",
    [
        "fire_and_forget(client.map(work, range(50)))",
        "client.gather(client.map(later, range(50)))",
        "client.submit(lambda: list(get_client().get_executor().map(work, range(50)))).result()",
        "[fire_and_forget(client.submit(lambda _, n: work(n), client.submit(abs, n), n)) for n in range(50)]",
        "executor = client.get_executor(); [executor.submit(work, n) for n in range(50)]",
        "results = client.get_executor().map(work, range(50))",
    ],
    ids=["map", "in tasks", "executor in a task", "dependent", "executor", "map of an executor"],
)
def test_detached_tasks_run_to_their_ends(python, tmp_path, options, end, submit):
    program = DETACHED.replace("{options}", options).replace("{end}", end).replace("{submit}", submit)
    (tmp_path / "program.py").write_text(program)
    done = python("program.py")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.txt"))) == 50


def test_closing_waits_for_detached_tasks_as_long_as_it_may():
    stopped = threading.Event()

    def stuck():
        while not current_token().cancelled:
            pass
        stopped.set()

    client = Client(n_workers=1)
    fire_and_forget(client.submit(stuck, key="stuck"))
    with pytest.warns(RuntimeWarning, match="before these tasks of `fire_and_forget` or an executor had ended: stuck"):
        client.close(timeout="10ms")
    assert stopped.wait(60)


def test_a_task_that_closes_its_client_does_not_wait_for_itself():
    client = Client(n_workers=1)
    closed = threading.Event()
    fire_and_forget(client.submit(lambda: (client.close(), closed.set())))
    assert closed.wait(60)


def _with_the_client():
    with get_client() as client:
        first = client.submit(abs, -1).result()
    get_client().close(timeout=1)
    return first, get_client().submit(abs, -2).result()


async def _with_the_client_awaited():
    async with get_client() as client:
        return await client.submit(abs, -3)


@pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux")
def test_a_task_in_a_worker_process_may_leave_the_block_of_its_client():
    with Client(processes=True, n_workers=1) as client:
        assert client.submit(_with_the_client).result() == (1, 2)
        assert client.submit(_with_the_client_awaited).result() == 3


def test_an_asynchronous_client_waits_for_detached_tasks():
    done = []

    async def main():
        async with Client(n_workers=1, asynchronous=True) as client:
            fire_and_forget(client.map(done.append, range(50)))

    asyncio.run(main())
    assert done == list(range(50))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_the_wait_for_detached_tasks(tmp_path):
    program = """
        from thalweg.tasks import *

        def stuck():
            while not current_token().cancelled:
                pass

        fire_and_forget(Client(n_workers=1).submit(stuck, key="stuck"))
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    with subprocess.Popen([sys.executable, str(path)], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert (
                said == "thalweg: waiting for tasks of `fire_and_forget` or an executor: stuck. Ctrl-C cancels them.\n"
            )
            os.kill(process.pid, signal.SIGINT)
            assert process.stderr.readline() == "thalweg: interrupted, cancelled: stuck.\n"
            assert process.wait(60) == -signal.SIGINT
        finally:
            process.kill()


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="it counts open files by /proc")
def test_clients_leave_nothing_behind():
    def use():
        with Client(n_workers=2) as client:
            futures = client.map(pow, range(10), range(10))
            wait(futures)
            list(as_completed(futures))
            client.cancel(client.map(pow, range(10), range(10)))
            client.gather(futures)

    for _ in range(3):
        use()
    gc.collect()
    files, threads, objects = open_files(), threading.active_count(), len(gc.get_objects())
    for _ in range(50):
        use()
    gc.collect()
    assert open_files() <= files
    assert threading.active_count() <= threads
    assert len(gc.get_objects()) < objects + 500
