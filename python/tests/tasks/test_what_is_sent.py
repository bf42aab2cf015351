"""Functions and their closures, globals and attributes on the way to worker processes."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from support import until
from thalweg.tasks import Client, Event

pytest.importorskip("cloudpickle")

#: Timeout of each wait, in seconds.
BOUND = 20


@pytest.fixture(scope="module")
def client():
    with Client(processes=True, n_workers=1, threads_per_worker=1) as client:
        yield client


@pytest.fixture(params=["submit", "map", "executor"])
def call(client, request):
    """Call a function of one argument."""
    with client.get_executor(pure=False) as executor:
        yield {
            "submit": lambda function, x: client.submit(function, x, pure=False).result(BOUND),
            "map": lambda function, x: client.map(function, [x], pure=False)[0].result(BOUND),
            "executor": lambda function, x: executor.submit(function, x).result(BOUND),
        }[request.param]


def test_a_changed_closure_cell_is_sent(call):
    n = 1

    def times(x):
        return n * x

    assert call(times, 10) == 10
    n = 5
    assert call(times, 10) == 50


def test_changed_defaults_and_attributes_are_sent(call):
    table = {"k": 1}
    look = eval("lambda x, table=table: table['k'] * x", {"table": table})
    assert call(look, 10) == 10
    table["k"] = 9
    assert call(look, 10) == 90


def test_a_method_of_a_changed_object_is_sent(call):
    table = {"k": 1}
    assert call(table.get, "k") == 1
    table["k"] = 7
    assert call(table.get, "k") == 7


def test_changed_globals_are_sent(call):
    space = {"factor": 2}
    exec("def scale(x): return x * factor", space)
    space["scale"].__module__ = "__main__"
    assert call(space["scale"], 10) == 20
    space["factor"] = 3
    assert call(space["scale"], 10) == 30


def test_changed_globals_of_the_main_module_are_sent(tmp_path):
    program = textwrap.dedent("""
        from thalweg.tasks import Client
        factor = 2
        def scale(x):
            return x * factor
        if __name__ == "__main__":
            with Client(processes=True, n_workers=1) as client:
                before = client.submit(scale, 10).result()
                factor = 3
                print(before, client.submit(scale, 10).result(), *client.gather(client.map(scale, [10])))
    """)
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, "-I", path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["20", "30", "30"]


def test_tracebacks_show_the_lines_of_the_main_module(tmp_path):
    program = textwrap.dedent("""
        import traceback
        from thalweg.tasks import Client
        def divide(x):
            return (lambda y: 1 / y)(x)  # here
        if __name__ == "__main__":
            with Client(processes=True, n_workers=1) as client:
                traceback.print_exception(client.submit(divide, 0).exception())
    """)
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, "-I", path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count(f'File "{path}", line 5, in divide\n    return (lambda y: 1 / y)(x)  # here\n') == 1
    assert done.stderr.count(f'File "{path}", line 5, in <lambda>\n') == 1


class Data:
    def __init__(self, size):
        self.bytes = bytes(size)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_functions_are_freed_after_they_have_run(client, size):
    data = [Data(size) for _ in range(10)]
    known = [weakref.ref(each) for each in data]
    for each in data:
        assert client.submit(lambda each=each: len(each.bytes)).result(BOUND) == size
    del data, each
    gc.collect()
    assert [ref() for ref in known] == [None] * 10


def descriptors(pid="self"):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the system does not say which files are open")
def test_large_functions_and_values_are_forgotten_by_workers(client):
    pid = client.submit(os.getpid).result(BOUND)

    def use():
        for fill in range(5):
            data = bytes([fill]) * 2_000_000
            assert client.submit(lambda data=data: len(data)).result(BOUND) == 2_000_000
            value = client.scatter(data + b"x")
            assert client.submit(len, value).result(BOUND) == 2_000_001
            del value
        # Releases are sent before this request.
        client.submit(abs, -1).result(BOUND)
        gc.collect()
        return descriptors(), descriptors(pid)

    use()
    # A worker closes a file some time after it has been told to forget it.
    until(lambda: use() == use())


class Counted:
    def __call__(self, x):
        raise AssertionError("what it is pickled as is called")

    def __reduce__(self):
        return _count, ()


_loaded = 0


def _count():
    global _loaded
    _loaded += 1
    return lambda _, loaded=_loaded: loaded


def test_a_function_is_sent_once_for_many_calls(client):
    assert set(client.gather(client.map(Counted(), range(100)))) == {1}


def test_one_thread_imports_at_a_time(tmp_path, monkeypatch):
    package = tmp_path / "outer" / "in_two_steps"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    # The submodule needs what the package does after importing it.
    (package / "__init__.py").write_text(
        "from thalweg.tasks import Event\n"
        "from thalweg._thalweg.tasks import is_worker\n"
        "from outer.in_two_steps import core\n"
        "if is_worker():\n    Event('half').set()\n    Event('go on').wait(20)\n"
        "core.TABLE['ready'] = True\n"
    )
    (package / "core.py").write_text("TABLE = {}\ndef call(x):\n    return TABLE['ready']\n")
    monkeypatch.syspath_prepend(tmp_path)
    call = importlib.import_module("outer.in_two_steps.core").call
    with Client(processes=True, n_workers=1, threads_per_worker=2) as client:
        first = client.submit(_call, (call, 1))
        assert Event("half", client).wait(BOUND)
        second = client.submit(_call, (call, 2))
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        Event("go on", client).set()
        assert client.gather([first, second]) == [True, True]


def _call(what):
    function, x = what
    return function(x)


def test_threads_read_while_another_imports(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text(
        "import thalweg.tasks\nthalweg.tasks.Event('go on').wait(20)\ncall = abs\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with Client(processes=True, n_workers=1, threads_per_worker=2) as client:
        first = client.submit(_import_slowly)
        assert client.submit(abs, -1).result(BOUND) == 1
        assert client.submit(threading.active_count).result(BOUND) > 0
        Event("go on", client).set()
        assert first.result(BOUND) == 1


def _import_slowly():
    from thalweg.tasks.process.pickling import loads

    # A pickle that refers to a name in that module.
    return loads(b"\x80\x05\x8c\x0eslow_to_import\x8c\x04call\x93.")(-1)
