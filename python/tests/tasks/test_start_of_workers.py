"""Startup of worker processes: preloads, initializers and the main module."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from thalweg.tasks import Client, KilledWorker, LocalCluster, UnpicklableError, get_worker


def run(program, *, tmp_path=None, stdin=None):
    """Run a program without cloudpickle, from a file or as standard input."""
    program = "import sys\nsys.modules['cloudpickle'] = None\n" + textwrap.dedent(program)
    if tmp_path is None:
        arguments, given = (["-"], program) if stdin else (["-c", program], None)
    else:
        path = tmp_path / "program.py"
        path.write_text(program)
        arguments, given = [str(path)], None
    done = subprocess.run([sys.executable, *arguments], input=given, capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


def initialize(value):
    os.environ["THALWEG_TEST"] = value


@pytest.mark.parametrize("make", [Client, LocalCluster])
def test_modules_and_an_initializer(make):
    with make(processes=True, n_workers=1, preload="colorsys", initializer=initialize, initargs=("set",)) as made:
        client = made if make is Client else made.get_client()
        assert client.submit(lambda: ("colorsys" in sys.modules, os.environ["THALWEG_TEST"])).result() == (True, "set")
        # A replacement worker starts the same way.
        with pytest.raises(KilledWorker):
            client.submit(os._exit, 1).result()
        assert client.submit(os.getenv, "THALWEG_TEST").result() == "set"


def test_on_threads_the_initializer_is_called_once():
    called = []
    with Client(n_workers=3, preload=["colorsys"], initializer=called.append, initargs=(1,)) as client:
        assert called == [1] and "colorsys" in sys.modules
        assert client.submit(len, called).result() == 1
    with pytest.raises(ZeroDivisionError):
        Client(initializer=lambda: 1 / 0)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Client(preload="no_such_module")


def test_invalid_preloads_and_initializers_are_refused():
    with pytest.raises(TypeError, match="initializer: a function"):
        Client(processes=True, initializer=1)
    with pytest.raises(TypeError, match="preload: names of modules"):
        Client(processes=True, preload=[1])
    with pytest.raises(ValueError, match=r"initializer: \d+ bytes"):
        Client(processes=True, initializer=initialize, initargs=("x" * 200_000,))
    with pytest.raises(UnpicklableError):
        Client(processes=True, initializer=initialize, initargs=(get_worker, sys._getframe()))


def test_a_failing_initializer_is_reported(capfd):
    client = Client(processes=True, n_workers=1, initializer=initialize, initargs=(1,))
    with client, pytest.raises(KilledWorker, match="before they have started"):
        client.submit(abs, 1).result(60)
    assert "str expected, not int" in capfd.readouterr().err


_SUBMITS = """
from thalweg.tasks import Client, UnpicklableError

def increment(x):
    return x + 1

if __name__ == "__main__":
    with Client(processes=True, n_workers=1) as client:
        for function in (increment, lambda x: x):
            try:
                print(client.submit(function, 1).result())
            except UnpicklableError as error:
                print(error)
"""


@pytest.mark.parametrize("stdin", [False, True])
def test_without_cloudpickle_and_without_a_file(stdin):
    told, errors = run(_SUBMITS, stdin=stdin)
    lines = told.splitlines()
    assert len(lines) == 2, errors
    assert lines[0].startswith("the function increment can't be sent to a worker process: it is defined in `__main__`")
    assert all(line.count("pip install 'thalweg[processes]'") == 1 for line in lines)


def test_without_cloudpickle_and_with_a_file(tmp_path):
    told, errors = run(_SUBMITS, tmp_path=tmp_path)
    lines = told.splitlines()
    assert lines[0] == "2", errors
    assert lines[1].count("pip install 'thalweg[processes]'") == 1


def test_functions_missing_from_the_main_file_are_explained(tmp_path):
    program = """
    from thalweg.tasks import Client

    if __name__ == "__main__":
        exec("def late(x): return x", globals())
        with Client(processes=True, n_workers=1) as client:
            try:
                client.submit(late, 1).result()
            except AttributeError as error:
                print(error)
    """
    told, errors = run(program, tmp_path=tmp_path)
    assert "does not define it; with cloudpickle" in told, errors


def test_a_program_without_a_guard(tmp_path):
    program = """
    from thalweg.tasks import Client

    def increment(x):
        return x + 1

    client = Client(processes=True, n_workers=1)
    try:
        print(client.submit(increment, 1).result())
    except RuntimeError as error:
        print(error)
    client.close()
    """
    told, errors = run(program, tmp_path=tmp_path)
    assert "put what starts them under `if __name__ == '__main__':`" in told, errors
