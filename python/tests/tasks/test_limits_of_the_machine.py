"""Exhausted descriptors, memory and processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import time

import pytest

from thalweg.tasks import Client

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the system does not say what is open")

#: Timeout of each wait, in seconds.
BOUND = 60


def run(program, tmp_path):
    """Run a program in its own process, with its own limits, and return its output."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    done = subprocess.run([sys.executable, "-I", path], capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LIMITED = """
    import os, resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    from thalweg.tasks import Client

    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    def make(i, size={size}):
        return bytearray(size)

    def length(x):
        return sum(len(each) for each in x) if isinstance(x, list) else len(x)

    if __name__ == "__main__":
        with Client(processes=True, n_workers=2) as client:
            {body}
            print("and", client.submit(abs, -1).result(20))
"""


@pytest.mark.parametrize(("limit", "size", "count"), [(1024, 100_000, 1_500), (128, 2_000_000, 100)])
@pytest.mark.parametrize(
    "body",
    [
        "print(length(client.gather(client.map(make, range({count}), pure=False))))",
        "print(sum(client.gather(client.map(length, [make(i) for i in range({count})], pure=False))))",
        "print(client.submit(length, [make(i) for i in range({count})]).result())",
        "print(length(client.submit(lambda: [make(i) for i in range({count})]).result()))",
        "print(length(client.gather(client.scatter([make(i) for i in range({count})]))))",
        "print(client.submit(length, client.map(make, range({count}), pure=False)).result())",
    ],
    ids=["results", "arguments", "one argument", "one result", "scattered", "inputs"],
)
def test_many_large_buffers_under_a_limit_of_descriptors(tmp_path, limit, size, count, body):
    program = LIMITED.format(limit=limit, size=size, body=body.format(count=count))
    assert run(program, tmp_path) == [str(count * size), "and", "1"]


@pytest.mark.parametrize("body", ["make(0)", "numpy.zeros({size} // 8)"])
def test_large_values_are_sent_without_memory_files_if_these_fail(tmp_path, body):
    pytest.importorskip("numpy")
    size = 4 << 20
    made = body.format(size=size)
    body = f"""
            import numpy
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
            print(memoryview(client.submit(lambda: {made}).result()).nbytes)
            print(client.submit(lambda x: memoryview(x).nbytes, {made}).result())
            print(client.submit(lambda x: memoryview(x).nbytes, client.scatter({made})).result())
    """
    # Workers started later inherit the limit.
    body += """
            client.restart()
            print(memoryview(client.submit(lambda: MADE).result()).nbytes)
    """.replace("MADE", made)
    assert run(LIMITED.format(limit=256, size=size, body=body), tmp_path) == [str(size)] * 4 + ["and", "1"]


def test_a_client_survives_descriptor_exhaustion(tmp_path):
    body = """
            future = client.submit(make, 1)
            client.submit(abs, -2).result(20)
            opened = []
            try:
                while True:
                    opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            print(client.submit(abs, -2).result(20))
            try:
                print(len(future.result(20)))
            except OSError as error:
                print("files" in str(error))
            for each in opened:
                os.close(each)
    """
    program = LIMITED.format(limit=128, size=2_000_000, body=body.strip())
    assert run(program, tmp_path) == ["2", "True", "and", "1"]


def test_workers_are_replaced_once_descriptors_are_available(tmp_path):
    body = """
            import signal
            pids = set(client.run(os.getpid).values())
            opened = []
            try:
                while True:
                    opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            try:
                client.submit(abs, -1).result(20)
            except Exception as error:
                print(type(error).__name__)
            for each in opened:
                os.close(each)
            for _ in range(100):
                try:
                    client.submit(abs, -1).result(20)
                    break
                except Exception:
                    client.submit
    """
    program = LIMITED.format(limit=128, size=1, body=body.strip())
    assert run(program, tmp_path) == ["KilledWorker", "and", "1"]


def test_a_client_does_not_start_without_descriptors(tmp_path):
    program = """
        import os, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        from thalweg.tasks import Client
        if __name__ == "__main__":
            try:
                Client(processes=True, n_workers=20)
            except OSError as error:
                print("files" in str(error))
            print(open(f"/proc/self/task/{os.getpid()}/children").read().split())
    """
    assert run(program, tmp_path) == ["True", "[]"]


def test_tasks_run_on_when_memory_runs_out(tmp_path):
    program = """
        import os, resource
        from thalweg.tasks import Client

        def make(size):
            return bytearray(size)

        if __name__ == "__main__":
            with Client(processes=True, n_workers=1) as client:
                client.submit(abs, -1).result(20)
                limit = 1 << 20
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
                # Memory files of that size fail under this limit.
                print(client.submit(len, bytearray(3_000_000)).result(20))
                with open("/proc/self/statm") as statm:
                    used = int(statm.read().split()[0]) * 4096
                resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
                try:
                    client.submit(make, 100_000_000).result(20)
                except (OSError, MemoryError) as error:
                    print(type(error).__name__)
                print(client.submit(abs, -1).result(20))
    """
    printed = run(program, tmp_path)
    assert (printed[0], printed[-1]) == ("3000000", "1")
    assert printed[1] in ("OSError", "MemoryError")


def children():
    return open(f"/proc/self/task/{os.getpid()}/children").read().split()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_dropped_clients_leave_no_processes():
    gc.collect()
    before = set(children())
    for _ in range(10):
        client = Client(processes=True, n_workers=2, set_as_default=False)
        assert client.submit(abs, -1).result(BOUND) == 1
        del client
        gc.collect()
    end = BOUND * 100
    while set(children()) - before and end:
        end -= 1
        __import__("threading").Event().wait(0.01)
    assert set(children()) <= before


def test_dropped_scattered_values_are_freed():
    with Client(processes=True, n_workers=1) as client:
        gc.collect()
        before = descriptors()
        futures = client.scatter([bytearray(2_000_000) for _ in range(5)])
        assert client.gather(client.map(len, futures)) == [2_000_000] * 5
        assert descriptors() > before
        del futures
        gc.collect()
        # A task's arguments are dropped shortly after it is done.
        end = time.monotonic() + BOUND
        while descriptors() > before and time.monotonic() < end:
            time.sleep(0.01)
        assert descriptors() <= before, "those of tests before may have gone meanwhile"


NO_THREADS = """
    import logging, resource, threading
    from thalweg import errors
    from thalweg.tasks import Client, Queue, as_completed, get_client, secede, wait

    class Said(logging.Handler):
        def __init__(self):
            super().__init__()
            self.event = threading.Event()

        def emit(self, record):
            self.event.set()

    def parent():
        child = get_client().submit(abs, -1)
        {body}
        return child.result()

    threading.stack_size(1 << 30)
    said = Said()
    logging.getLogger(errors.logger_name).addHandler(said)
    with Client(n_workers=1) as client:
        client.submit(abs, -1).result()
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (512 << 20), resource.RLIM_INFINITY))
        try:
            client.submit(secede).result()
        except OSError as error:
            print("thread" in str(error))
        future = client.submit(parent)
        print(said.event.wait({bound}))
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(future.result({bound}))
"""


@pytest.mark.parametrize("body", ["", "wait([child])", "list(as_completed([child]))"])
def test_a_task_that_waits_while_no_thread_can_be_started_says_so_and_goes_on_when_there_is_one(tmp_path, body):
    program = NO_THREADS.format(body=body, bound=BOUND)
    assert run(program, tmp_path) == ["True", "True", "1"]
