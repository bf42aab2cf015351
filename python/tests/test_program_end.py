"""A program ends with its last thread: until then everything emitted is delivered."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from support import rest_of

PRODUCERS = {
    "a thread": """
        import threading, time
        def feed():
            for x in range(3):
                time.sleep(0.01)
                s.emit(x)
        threading.Thread(target=feed).start()
    """,
    "a timer": """
        import threading
        threading.Timer(0.01, lambda: s.emit_many(range(3))).start()
    """,
    "a thread that starts another": """
        import threading
        threading.Thread(target=lambda: threading.Thread(target=s.emit_many, args=(range(3),)).start()).start()
    """,
    "tasks of an executor": """
        import time
        from concurrent.futures import ThreadPoolExecutor
        executor = ThreadPoolExecutor(1)
        for x in range(3):
            executor.submit(lambda x=x: (time.sleep(0.01), s.emit(x)))
    """,
    "callbacks of an executor": """
        from concurrent.futures import ThreadPoolExecutor
        executor = ThreadPoolExecutor(1)
        for x in range(3):
            executor.submit(abs, x).add_done_callback(lambda done: s.emit(done.result()))
    """,
    "an exit handler": """
        import atexit
        atexit.register(lambda: s.emit_many(range(3)))
    """,
    "an exit handler that was registered first": """
        s.emit_many(range(3))
    """,
    "a logging handler": """
        import logging, logging.handlers
        class Handler(logging.Handler):
            def emit(self, record):
                s.emit(record.args[0])
        log = logging.getLogger("program")
        log.addHandler(logging.handlers.MemoryHandler(100, target=Handler()))
        for x in range(3):
            log.warning("%d", x)
    """,
}

PIPELINES = {
    "no loop": "s.sink(lambda x: print(x, flush=True))",
    "a loop": "s.buffer(5).sink(lambda x: print(x, flush=True))",
    "an engine": "s.scatter(backend='thread').map(abs).buffer(5).gather().sink(lambda x: print(x, flush=True))",
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES.keys())
@pytest.mark.parametrize("producer", PRODUCERS.values(), ids=PRODUCERS.keys())
@pytest.mark.parametrize("way", [[], ["-m", "thalweg", "run"]], ids=["python", "python -m thalweg run"])
def test_elements_of_threads_running_past_the_last_line_are_delivered(producer, pipeline, way, python, tmp_path):
    if producer is PRODUCERS["an exit handler that was registered first"]:
        if pipeline is PIPELINES["an engine"]:
            pytest.skip("engines have ended by then")
        producer = f"import atexit\natexit.register(lambda: {producer.strip()})"
        text = f"{producer}\nfrom thalweg import Stream\ns = Stream()\n{pipeline}\n"
    else:
        text = f"from thalweg import Stream\ns = Stream()\n{pipeline}\n{textwrap.dedent(producer)}"
    program = tmp_path / "program.py"
    program.write_text(text)
    done = python(*way, program)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n", "", 0)


@pytest.mark.parametrize(
    "build", ["buffer(5)", "partition(3).flatten()", "scatter(backend='thread').map(abs).buffer(5).gather()"]
)
@pytest.mark.parametrize("way", [[], ["-m", "thalweg", "run"]], ids=["python", "python -m thalweg run"])
def test_pipelines_built_by_exit_handlers_deliver_their_elements(build, way, python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit\n"
        "from thalweg import Stream\n"
        "def report():\n"
        "    s = Stream()\n"
        f"    s.{build}.sink(lambda x: print(x, flush=True))\n"
        "    s.emit_many(range(4))\n"
        "Stream().emit(0)\n"
        "atexit.register(report)\n"
    )
    done = python(*way, program)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n3\n", "", 0)


def test_the_collector_frees_no_pipelines_of_exit_handlers_before_they_are_drained(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""if True:
        import atexit, gc
        from thalweg import Stream

        class Last:
            def __del__(self):
                # Nothing refers to the pipeline any more, and whatever is created next starts a collection.
                gc.set_threshold(1)

        def report():
            gc.collect()
            s = Stream()
            s.partition(3).sink(print)
            s.emit_many(range(4))
            last = Last()

        Stream().partition(2).sink(print)
        atexit.register(report)
    """)
    done = python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("(0, 1, 2)\n(3,)\n", "", 0)


CLOSERS = {
    "an exit handler": "import atexit\nfile = open('out.txt', 'w')\natexit.register(file.close)\nwrite = file.write",
    "a finalizer": """
import weakref
class Writer:
    def __init__(self):
        self.file = open("out.txt", "w")
        weakref.finalize(self, self.file.close)
writer = Writer()
write = lambda x: writer.file.write(x)
""",
    "the sink's own": "write = None",
}


@pytest.mark.parametrize("closer", CLOSERS.values(), ids=CLOSERS.keys())
@pytest.mark.parametrize("way", [[], ["-m", "thalweg", "run"]], ids=["python", "python -m thalweg run"])
def test_resources_of_sinks_are_closed_after_the_last_element(closer, way, python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from thalweg import Stream\n"
        "s = Stream()\n"
        f"{closer}\n"
        "queue = s.delay(0.01)\n"
        "queue.sink_to_textfile('out.txt', end='') if write is None else queue.sink(write)\n"
        "s.emit_many('abc')\n"
    )
    done = python(*way, program)
    assert ((tmp_path / "out.txt").read_text(), done.stderr) == ("abc", "")


@pytest.mark.parametrize("later", ["pool.submit(later)", "pool.submit(int).add_done_callback(later)"])
@pytest.mark.parametrize("kind", ["Thread", "Process"])
def test_executors_may_emit_into_pipelines_at_program_end(kind, later, python, tmp_path):
    if (kind, later) == ("Process", "pool.submit(later)"):
        pytest.skip("that is another process")
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import concurrent.futures, threading, time
from thalweg import Stream

def later(*_):
    # The callback of a finished call runs at once, on the main thread.
    while threading.current_thread() is not threading.main_thread() and not threading._SHUTTING_DOWN:
        time.sleep(0.001)
    s.emit(1)

if __name__ == "__main__":
    pool = concurrent.futures.{kind}PoolExecutor(2)
    s = Stream()
    s.scatter(pool).map(abs).buffer(5).gather().sink(lambda x: print(x, flush=True))
    {later}
"""
    )
    done = python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_a_queue_filled_after_the_last_line_is_read(python):
    done = python(
        "-c",
        "import queue, threading\n"
        "from thalweg import Stream\n"
        "q = queue.Queue()\n"
        "source = Stream.from_q(q)\n"
        "source.sink(lambda x: print(x, flush=True))\n"
        "source.start()\n"
        "threading.Timer(0.01, lambda: [q.put(x) for x in range(3)]).start()\n",
    )
    assert (done.stdout, done.stderr) == ("0\n1\n2\n", "")


CHILD = """
import multiprocessing, sys, threading, time

def child():
    global s
    from thalweg import Stream
    s = Stream()
    s.buffer(3).partition(2).sink(lambda x: print(x, flush=True))
    s.emit(0)
    threading.Timer(0.01, lambda: s.emit_many([1, 2])).start()

if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=child)
    process.start()
    process.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_elements_from_multiprocessing_children_are_delivered(method, python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(CHILD)
    done = python(program, method)
    assert (done.stdout, done.stderr) == ("(0, 1)\n(2,)\n", "")


def test_a_daemon_thread_that_never_stops_emitting_does_not_delay_the_end(python):
    done = python(
        "-c",
        "import threading\n"
        "from thalweg import Stream\n"
        "begun = threading.Event()\n"
        "s = Stream()\n"
        "s.sink(lambda x: begun.set())\n"
        "def feed():\n"
        "    while True:\n"
        "        s.emit(1)\n"
        "threading.Thread(target=feed, daemon=True).start()\n"
        "begun.wait()\n"
        "print('the end')\n",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("the end\n", "", 0)


def test_many_blocked_emitters_at_program_end_are_harmless(python):
    for _ in range(5):
        done = python(
            "-c",
            "import threading\n"
            "from thalweg import Stream\n"
            "taken = threading.Semaphore(0)\n"
            "s = Stream()\n"
            "s.rate_limit(0.001).sink(lambda x: taken.release())\n"
            "def feed():\n"
            "    while True:\n"
            "        s.emit(1)\n"
            "for _ in range(20):\n"
            "    threading.Thread(target=feed, daemon=True).start()\n"
            "for _ in range(20):\n"
            "    taken.acquire()\n",
        )
        assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of another thread does not interrupt the main one")
@pytest.mark.parametrize("ending", ["signal.SIGINT", "signal.SIGTERM"])
@pytest.mark.parametrize(
    "drain",
    [
        "s.drain()",
        "with s: pass",
        "s.until_idle(); s.drain()",
        "thalweg.drain_all()",
    ],
)
def test_a_drain_that_is_interrupted_goes_on_at_the_end_of_the_program(drain, ending, python):
    done = python(
        "-c",
        "import os, signal, sys, thalweg\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(-signal.SIGTERM))\n"
        "def write(pair):\n"
        "    print(*pair, flush=True)\n"
        f"    if pair == (2, 3): os.kill(os.getpid(), {ending})\n"
        "s = thalweg.Stream()\n"
        "s.buffer(10).rate_limit(0.02).partition(2).sink(write)\n"
        "s.emit_many(range(7))\n"
        f"{drain}\n",
    )
    assert done.stdout == "0 1\n2 3\n4 5\n6\n"
    assert ("KeyboardInterrupt" in done.stderr) == (ending == "signal.SIGINT")
    assert done.returncode != 0


# Programs that give up, with the expected message.

STUCK = {
    "a function on a thread that is no loop's": """
        begun = threading.Event()
        s.sink(lambda x: (begun.set(), time.sleep(1000)))
        threading.Thread(target=s.emit, args=(1,), daemon=True).start()
        begun.wait()
    """,
    "a function on the loop's thread": """
        s.delay(0.0001).sink(lambda x: time.sleep(0.001))
        s.emit_many(range(3000))
    """,
    "a call": """
        s.buffer(5).sink(lambda x: asyncio.sleep(1000))
        s.emit_many(range(3))
    """,
    "an emitter": """
        waiting = s.buffer(1)
        waiting.sink(lambda x: asyncio.sleep(1000))
        threading.Thread(target=s.emit_many, args=(range(9),), daemon=True).start()
        while not waiting._in_flight():
            time.sleep(0.001)
    """,
}


@pytest.mark.parametrize("program", STUCK.values(), ids=STUCK.keys())
def test_a_program_that_gives_up_waiting_exits_cleanly(program, python):
    begin = "import asyncio, threading, time\nfrom thalweg import Stream\nfrom thalweg.runtime import program_end\n"
    done = python("-c", f"{begin}program_end.PATIENCE_AT_EXIT = 0.2\ns = Stream()\n{textwrap.dedent(program)}")
    assert done.returncode == 0, done.stderr
    assert "panic" not in done.stderr
    assert any(words in done.stderr for words in ("not everything", "is stuck", "does not return")), done.stderr


def test_the_exit_reports_what_it_waits_for_and_a_second_ctrl_c_aborts_it(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys, time\n"
        "from thalweg import Stream\n"
        "s = Stream()\n"
        "s.buffer(5, stream_name='queue').sink(lambda x: asyncio.sleep(1000))\n"
        "s.emit_many(range(3))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    time.sleep(0.02)\n"
    )
    for way in ([], ["-m", "thalweg", "run"]):
        with subprocess.Popen(
            [sys.executable, *way, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout.readline() == "ready\n"
                process.send_signal(signal.SIGINT)
                said = ""
                while "Ctrl-C" not in said:
                    line = process.stderr.readline()
                    assert line, said
                    said += line
                assert "in <queue; buffer: 5>" in said
                process.send_signal(signal.SIGINT)
                _, rest = rest_of(process)
            finally:
                process.kill()
        assert "interrupted" in rest
        assert "Traceback" not in rest
        assert process.returncode not in (0, -signal.SIGABRT)


@pytest.mark.parametrize(("way", "code"), [([], 0), (["-m", "thalweg", "run"], 3)], ids=["python", "thalweg run"])
def test_sys_exit_in_a_function_loses_nothing_in_other_pipelines(way, code, python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from thalweg import Stream\n"
        "first, second = Stream(), Stream()\n"
        "first.partition(2).sink(lambda x: sys.exit(3))\n"
        "first.partition(3).sink(lambda x: print('first', x))\n"
        "second.partition(2).sink(lambda x: print('second', x))\n"
        "first.emit(0)\n"
        "second.emit(0)\n"
    )
    done = python(*way, program)
    assert sorted(done.stdout.splitlines()) == ["first (0,)", "second (0,)"], done.stderr
    assert "SystemExit" in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of another thread does not interrupt the main one")
@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize(("way", "code"), [([], 0), (["-m", "thalweg", "run"], 143)], ids=["python", "thalweg run"])
def test_a_signal_that_asks_for_the_end_during_the_drain_at_the_end_loses_nothing_in_silence(
    signals, way, code, python, tmp_path
):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, sys\n"
        "from thalweg import Stream\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "def write(x):\n"
        "    print(x, flush=True)\n"
        f"    if 0 < x <= {signals}: os.kill(os.getpid(), signal.SIGTERM)\n"
        "s = Stream()\n"
        # The main thread is waiting in the drain by then.
        "s.delay(0.5).sink(write)\n"
        "s.emit_many(range(4))\n"
    )
    done = python(*way, program)
    assert done.stdout == ("0\n1\n2\n3\n" if signals == 1 else "0\n1\n2\n"), done.stderr
    assert ("interrupted" in done.stderr) == (signals == 2), done.stderr
    assert done.returncode == code


def test_one_message_lists_the_losses_of_a_closed_loop(python):
    done = python(
        "-c",
        "import asyncio\n"
        "from thalweg import Stream\n"
        "async def main():\n"
        "    global one, two\n"
        "    one = Stream(asynchronous=True, stream_name='one')\n"
        "    one.buffer(5).sink(lambda x: asyncio.sleep(1000), stream_name='slow')\n"
        "    two = Stream(asynchronous=True, stream_name='two')\n"
        "    two.shift(1000).sink(print)\n"
        "    for x in range(3):\n"
        "        await one.emit(x)\n"
        "    await two.emit(1)\n"
        "asyncio.run(main())\n",
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    (message,) = done.stderr.splitlines()
    assert "with 4 elements of <one; Stream>" in message
    assert "in <slow; sink: <lambda>>" in message
    assert "<two; Stream> (1 in <shift: 1000" in message
    assert "await source.drain()" in message


def test_a_source_running_at_loop_end_is_no_error(python):
    done = python(
        "-c",
        "import asyncio\n"
        "from thalweg import Stream\n"
        "async def main():\n"
        "    global source\n"
        "    source = Stream.from_periodic(lambda: 1, 0.001, asynchronous=True)\n"
        "    source.sink(lambda x: None)\n"
        "    source.start()\n"
        "    await asyncio.sleep(0.01)\n"
        "asyncio.run(main())\n",
    )
    assert (done.stderr, done.returncode) == ("", 0)


FINALIZERS = {
    "emit without a loop": ("s.sink(lambda x: None)", "s.emit(1)"),
    "emit to a loop": ("s.buffer(2).sink(lambda x: None)", "s.emit(1)"),
    "emit_many to a loop": ("s.buffer(2).sink(lambda x: None)", "s.emit_many([1])"),
    "flush": ("n = s.collect()\nn.sink(lambda x: None)", "n.flush()"),
    "drain": ("s.buffer(2).sink(lambda x: None)", "s.drain()"),
    "build": ("", "s.map(str).buffer(2).sink(lambda x: None)"),
    "asynchronous": ("s = Stream(asynchronous=True)\ns.buffer(2).sink(lambda x: None)", "s.emit(1)"),
}


@pytest.mark.parametrize(("build", "call"), FINALIZERS.values(), ids=FINALIZERS.keys())
def test_calls_from_finalizers_at_interpreter_exit_are_ignored(build, call, python):
    done = python(
        "-c",
        f"import builtins\nfrom thalweg import Stream\ns = Stream()\n{build}\n"
        "class Guard:\n"
        f"    def __del__(self, s=s, n=globals().get('n')):\n        {call}\n"
        "builtins.keep = Guard()\n",
    )
    assert done.returncode == 0, done.stderr
    assert "panic" not in done.stderr
    # Nothing can be imported then, which would say nothing about the element.
    assert "compile_chains" not in done.stderr
    if ".emit" in call:
        assert "ImportError" not in done.stderr
        is_taken = build == FINALIZERS["emit without a loop"][0]
        assert is_taken or "the interpreter is ending" in done.stderr, done.stderr


@pytest.mark.parametrize("asynchronous", [True, False, None])
def test_elements_waiting_on_a_virtual_clock_are_delivered(asynchronous, python):
    program = f"""
        from thalweg import Stream, VirtualClock
        s = Stream(loop=VirtualClock(), asynchronous={asynchronous})
        s.delay("1s").sink(print)
        emitted = [s.emit(x, asynchronous=True) for x in range(3)]
    """
    done = python("-c", textwrap.dedent(program))
    assert (done.stdout, done.stderr) == ("0\n1\n2\n", "")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Ctrl-C has an exit code of its own there")
@pytest.mark.parametrize(
    "build", ["sink(work)", "buffer(2).sink(work)", "scatter(backend='thread').map(work).gather().sink(abs)"]
)
def test_an_interrupted_program_ends_by_the_signal(build, python):
    """Whatever its pipelines do at its end. Shells stop their loops for no other exit code."""
    done = python(
        "-c",
        "from thalweg import Stream\n"
        "def work(x):\n"
        "    exec('pass')\n"
        "    return 0\n"
        "s = Stream()\n"
        f"s.{build}\n"
        "s.emit(1)\n"
        "raise KeyboardInterrupt\n",
    )
    assert done.returncode == -signal.SIGINT


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Ctrl-C has an exit code of its own there")
def test_a_last_drain_that_is_interrupted_ends_the_program_by_the_signal(python):
    done = python(
        "-c",
        "from thalweg import Stream\n"
        "def work(x):\n"
        "    raise KeyboardInterrupt\n"
        "s = Stream()\n"
        "s.partition(3).sink(work)\n"
        "s.emit(1)\n",
    )
    assert done.returncode == -signal.SIGINT, done.stderr
    assert "interrupted" in done.stderr


def test_a_program_without_an_event_loop_ends_without_importing_asyncio(python):
    done = python(
        "-c",
        "import atexit, sys\n"
        "atexit.register(lambda: print('asyncio' in sys.modules))\n"
        "from thalweg import Stream\n"
        "s = Stream()\n"
        "s.map(abs).sink(print)\n"
        "s.emit(1)\n",
    )
    assert (done.stdout, done.stderr) == ("1\nFalse\n", "")
