"""`python -m thalweg run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from support import rest_of
from thalweg import __version__

Script = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(program: str) -> Path:
        path = tmp_path / "program" / "script.py"
        path.parent.mkdir()
        path.write_text(textwrap.dedent(program))
        return path

    return write


#: Replaces `drain_all` by a function that prints its arguments.
DRAIN = """
import thalweg
thalweg.drain_all = lambda timeout: print("drained in", timeout)
"""


def test_a_script_sees_the_same_environment_as_under_python(python, script, tmp_path):
    path = script("""
        import sys, os
        import sibling
        print(__name__, __file__, __package__, __spec__, sys.argv, sys.path[0])
        print(sys.modules["__main__"].__dict__ is globals())
    """)
    (path.parent / "sibling.py").write_text("")
    arguments = ["--as", "x", "-h", "--", "last"]
    alone = python(path, *arguments)
    assert alone.returncode == 0, alone.stderr
    assert python("-m", "thalweg", "run", path, *arguments).stdout == alone.stdout
    relative = python("program/script.py")
    assert python("-m", "thalweg", "run", "program/script.py").stdout == relative.stdout


def test_a_module_sees_the_same_environment_as_under_python(python, tmp_path):
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("x = 1")
    (package / "__main__.py").write_text(
        "import os, sys\nfrom app.part import x\nfrom .part import x as y\n"
        "print(__name__, __file__, __package__, __spec__.name, sys.argv, sys.path[0] in ('', os.getcwd()), x, y)\n"
        "print(sys.modules['__main__'].__dict__ is globals())\n"
    )
    for name in ("app", "app.__main__"):
        arguments = ["-m", name, "--drain", "-h", "-m", "last"]
        alone = python(*arguments)
        assert alone.returncode == 0, alone.stderr
        done = python("-m", "thalweg", "run", *arguments)
        assert done.stdout == alone.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "nowhere"], "can't run the module 'nowhere': there is no such module"),
        (["-m", "app.nowhere"], "can't run the module 'app.nowhere': there is no such module"),
        (["-m", "app"], "can't run the module 'app': there is no code to run in it, such as in `__main__`"),
        (["-m"], "argument -m: expected the name of a module"),
        ([], "a SCRIPT, or -m MODULE, is required"),
    ],
)
def test_there_is_no_program(python, tmp_path, arguments, message):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("")
    done = python("-m", "thalweg", "run", *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: {message}\n")


def test_a_package_that_cannot_be_imported_is_shown(python, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("import nowhere")
    done = python("-m", "thalweg", "run", "-m", "app")
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'nowhere'\n")


def test_streamz_and_rapidz_are_aliased(python, script):
    path = script("import streamz, rapidz, thalweg.compat; print(streamz is thalweg, rapidz is thalweg.compat.rapidz)")
    assert python("-m", "thalweg", "run", path).stdout == "True True\n"


def test_other_aliases_can_be_chosen(python, script):
    path = script("import mine, thalweg; print(mine is thalweg)")
    assert python("-m", "thalweg", "run", "--as", "mine, other", path).stdout == "True\n"


def test_a_program_is_read_from_standard_input(python):
    done = python("-m", "thalweg", "run", "-", "a", stdin="import sys, streamz\nprint(sys.argv, __name__)\n1/0")
    assert done.stdout == "['-', 'a'] __main__\n"
    assert done.returncode == 1
    assert 'File "<stdin>", line 3' in done.stderr


@pytest.mark.parametrize(
    ("end", "code", "stderr"),
    [
        ("", 0, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('no such thing')", 1, "no such thing\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        ("import sys; sys.exit(False)", 0, ""),
    ],
)
def test_a_script_is_drained_however_it_ends(python, script, end, code, stderr):
    done = python("-m", "thalweg", "run", "--drain", "2.5", script(DRAIN + end))
    assert (done.stdout, done.stderr, done.returncode) == ("drained in 2.5\n", stderr, code)


def test_a_traceback_begins_in_the_script(python, script):
    path = script(DRAIN + "def f():\n    1 / 0\nf()")
    done = python("-m", "thalweg", "run", path)
    assert done.stdout == "drained in 30.0\n"
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 6, in <module>',
    ]
    assert "    1 / 0" in done.stderr.splitlines()
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_script_may_set_its_excepthook(python, script):
    path = script("import sys\nsys.excepthook = lambda *error: print('hook', error[0].__name__)\n1 / 0")
    done = python("-m", "thalweg", "run", path)
    assert (done.stdout, done.returncode) == ("hook ZeroDivisionError\n", 1)


def test_a_syntax_error_is_shown(python, script):
    done = python("-m", "thalweg", "run", script("x = = 1"))
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert "thalweg" not in done.stderr.replace("/program/", "")


def test_undelivered_elements_fail_the_run(python, script):
    path = script("""
        import thalweg
        def drain_all(timeout):
            raise TimeoutError("3 elements are left")
        thalweg.drain_all = drain_all
    """)
    done = python("-m", "thalweg", "run", path)
    assert done.returncode == 1
    assert done.stderr.endswith("TimeoutError: 3 elements are left\n")


ENDS = {
    "SIGINT": ("while True: time.sleep(0.02)", signal.SIGINT, "interrupted\n", 130),
    "SIGTERM": ("while True: time.sleep(0.02)", signal.SIGTERM, "", 143),
    "SIGTERM for one that waits for a thread": (
        "threading.Thread(target=time.sleep, args=(3,)).start()",
        signal.SIGTERM,
        "",
        143,
    ),
    "SIGTERM for one that handles it": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.02)",
        signal.SIGTERM,
        "",
        3,
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("case", ENDS)
def test_signals_that_end_a_program_drain_it(case, script, tmp_path):
    end, number, stderr, code = ENDS[case]
    ready = "" if "ready" in end else "print('ready', flush=True)\n"
    path = script(f"{DRAIN}import signal, sys, threading, time\n{ready}{end}")
    with subprocess.Popen(
        [sys.executable, "-m", "thalweg", "run", str(path)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            os.kill(process.pid, number)
            output, errors = rest_of(process)
        finally:
            process.kill()
    assert (output, errors, process.returncode) == ("drained in 30.0\n", stderr, code)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")
def test_forked_processes_die_of_sigterm(python, script):
    path = script("""
        import multiprocessing, time
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,))
        process.start()
        process.terminate()
        process.join(30)
        print(process.exitcode)
        process.kill()
    """)
    for _ in range(5):
        done = python("-m", "thalweg", "run", path)
        assert (done.stdout, done.stderr) == (f"{-signal.SIGTERM}\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run"], "SCRIPT"),
        (["run", "missing.py"], "can't read the program 'missing.py': No such file"),
        (["run", "."], "can't read the program '.': Is a directory"),
        (["run", "--as", "", "x.py"], "expected the names of packages"),
        (["run", "--as", "a-b", "x.py"], "'a-b' is not the name of a package"),
        (["run", "--drain", "soon", "x.py"], "expected a number of seconds"),
        (["run", "--drain", "-1", "x.py"], "expected a number of seconds"),
        (["run", "--drain", "inf", "x.py"], "expected a number of seconds"),
        (["run", "--fast", "x.py"], "--fast"),
        (["rum"], "rum"),
    ],
)
def test_errors_are_explained(python, arguments, complaint):
    done = python("-m", "thalweg", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "usage: python -m thalweg" in done.stderr


def test_help_and_version(python):
    assert python("-m", "thalweg", "--version").stdout == f"thalweg {__version__}\n"
    for arguments in ([], ["--help"], ["run", "--help"]):
        done = python("-m", "thalweg", *arguments)
        assert done.returncode == 0
        assert "usage: python -m thalweg" in done.stdout
