"""Endless recursion is a RecursionError on every thread, and does not crash the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

_PROGRAM = """
import sys, threading
from functools import reduce
from thalweg.tasks import Client, worker_client

class Lower:
    def __lt__(self, other):
        return sorted([Lower(), Lower()]) is None

class Shown:
    def __repr__(self):
        return "%r" % (Shown(),)

def again(x=0, y=0):
    return reduce(again, [1, 2])

def recurse():
    told = []
    for endless in (lambda: sorted([Lower(), Lower()]), lambda: repr(Shown()), again):
        try:
            endless()
        except RecursionError:
            told.append("RecursionError")
    return " ".join(told)

def after_seceding():
    with worker_client() as client:
        return client.submit(recurse).result()

def in_a_callback(submit):
    told, done = [], threading.Event()
    submit(abs, 1).add_done_callback(lambda _: (told.append(recurse()), done.set()))
    done.wait(60)
    return told[0]

if __name__ == "__main__":
    where, *mode = sys.argv[1:]
    if mode:
        threading.stack_size(int(mode[0]))
    options = {"processes": True} if where == "processes" else {}
    with Client(n_workers=1, **options) as client:
        for _ in range(3):
            print(client.submit(recurse).result(60))
        print(client.submit(after_seceding).result(60))
        print(in_a_callback(client.submit))
        print(in_a_callback(client.get_executor().submit))
"""


@pytest.mark.parametrize("arguments", [["threads"], ["processes"], ["threads", str(64 << 20)]])
def test_endless_recursion_is_a_recursion_error(tmp_path, arguments):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(_PROGRAM))
    done = subprocess.run([sys.executable, "-I", str(program), *arguments], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["RecursionError RecursionError RecursionError"] * 6


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python bounds calls through C itself, whatever the stack")
def test_threads_have_the_requested_stack_size(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
import sys, threading
threading.stack_size(256 << 20)
sys.setrecursionlimit(100_000)
from functools import partial
from thalweg.tasks import Client

class Deep:
    def __init__(self, depth):
        self.depth = depth

    def __repr__(self):
        return repr(Deep(self.depth - 1)) if self.depth else "at last"

if __name__ == "__main__":
    with Client(n_workers=1) as client:
        print(client.submit(repr, Deep(20_000)).result(60))
""")
    done = subprocess.run([sys.executable, "-I", str(program)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "at last\n"), done.stderr
