"""A pipeline belongs to the process that built it: its copy in a forked process raises, and never hangs."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")

PIPELINES = {
    "no loop": "n = s.map(str).sink(print)",
    "a loop": "n = s.buffer(2).sink(print)",
    "asynchronous": "s = Stream(asynchronous=True)\nn = s.buffer(2).sink(print)",
    "a thread is inside": """
begun, end = threading.Event(), threading.Event()
n = s.map(lambda x: (begun.set(), end.wait())).sink(lambda x: None)
threading.Thread(target=s.emit, args=(1,), daemon=True).start()
begun.wait()
""",
    "the loop's thread is inside": """
begun, end = threading.Event(), threading.Event()
n = s.buffer(2).sink(lambda x: (begun.set(), end.wait()))
threading.Thread(target=s.emit, args=(1,), daemon=True).start()
begun.wait()
""",
}

CALLS = {
    "emit": "s.emit(1)",
    "emit_many": "s.emit_many([1])",
    "await": "s.emit(1, asynchronous=True)",
    "drain": "s.drain()",
    "build": "s.map(str)",
    "join": "Stream().union(s)",
    "connect": "s.connect(Stream())",
    "destroy": "n.destroy()",
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES.keys())
def test_an_inherited_pipeline_is_refused(pipeline, python):
    calls = "".join(f"    refused({name!r}, lambda: {call})\n" for name, call in CALLS.items())
    done = python(
        # Since Python 3.12, forking a process with threads emits a warning.
        "-Wignore::DeprecationWarning",
        "-c",
        "import gc, os, threading\n"
        "from thalweg import Stream\n"
        f"s = Stream()\n{pipeline}\n"
        "def refused(name, call):\n"
        "    try:\n"
        "        print(name, 'returned', call(), flush=True)\n"
        "    except RuntimeError as error:\n"
        "        assert 'forked' in str(error), error\n"
        "child = os.fork()\n"
        "if not child:\n"
        f"{calls}"
        "    del s, n\n"
        "    gc.collect()\n"
        "    own = Stream()\n"
        "    own.buffer(2).sink(lambda x: print('own', x, flush=True))\n"
        "    own.emit(1)\n"
        "    own.drain()\n"
        "    os._exit(7)\n"
        "print('child', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
        "os._exit(0)\n",
    )
    assert (done.stdout, done.stderr) == ("own 1\nchild 7\n", "")


FORKING = {
    "a function": "s.sink(fork)",
    "a function on a loop": "s.buffer(2).sink(fork)",
    "an asynchronous function": "async def later(x):\n    fork(x)\ns.sink(later)",
    "a function on an engine": "s.scatter(backend='thread').map(fork).gather().sink(lambda x: None)",
}


@pytest.mark.parametrize("build", FORKING.values(), ids=FORKING.keys())
def test_a_process_forked_by_a_function_waits_for_its_own_pipelines(build, python):
    done = python(
        "-Wignore::DeprecationWarning",
        "-c",
        "import multiprocessing\n"
        "from thalweg import Stream\n"
        "def work():\n"
        "    own = Stream()\n"
        "    L = own.buffer(2).rate_limit(0.001).sink_to_list()\n"
        "    own.emit_many(range(5))\n"
        "    own.drain(5)\n"
        "    print(L, flush=True)\n"
        "def fork(x):\n"
        "    process = multiprocessing.get_context('fork').Process(target=work)\n"
        "    process.start()\n"
        "    process.join()\n"
        "s = Stream()\n"
        f"{build}\n"
        "s.emit(1)\n"
        "s.drain()\n",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 1, 2, 3, 4]\n", "", 0)


def test_a_process_forked_by_a_task_runs_no_other_task(python):
    done = python(
        "-Wignore::DeprecationWarning",
        "-c",
        "import multiprocessing, os\n"
        "from thalweg import Stream\n"
        "from thalweg.tasks import Client\n"
        "parent = os.getpid()\n"
        "def work():\n"
        "    own = Stream()\n"
        "    own.buffer(1).rate_limit(0.05).sink(print)\n"
        "    own.emit_many(range(3))\n"
        "def fork(x):\n"
        "    assert os.getpid() == parent\n"
        "    if x == 0:\n"
        "        process = multiprocessing.get_context('fork').Process(target=work)\n"
        "        process.start()\n"
        "        process.join()\n"
        "    print('task', x, flush=True)\n"
        "with Client(n_workers=1) as client:\n"
        "    client.gather(client.map(fork, range(3)))\n",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\ntask 0\ntask 1\ntask 2\n", "", 0)


@pytest.mark.parametrize("emit", ["s.emit(1)", "s.emit_many([1])"])
def test_a_process_forked_by_a_function_ends_as_the_function_says(emit, python):
    done = python(
        "-c",
        "import os, sys\n"
        "from thalweg import Stream\n"
        "def fork(x):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        sys.exit(3)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
        "s = Stream()\n"
        "s.map(lambda x: x).sink(fork)\n"
        f"{emit}\n",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)
