"""Pipelines that emit into one another are drained together, whichever was built first, and lose nothing."""

from __future__ import annotations

import asyncio
import sys
import textwrap

import pytest

from thalweg import Stream, drain_all
from thalweg.runtime import program_end

FEEDS = {
    "a queue": "inp.buffer(5).delay(0.01).sink(out.emit)",
    "a window": "inp.partition(5).flatten().sink(out.emit)",
    "batches": "inp.partition(2).sink(out.emit_many)",
    "an asynchronous sink": """
        async def send(x):
            await asyncio.sleep(0.01)
            await out.emit(x, asynchronous=True)
        inp.buffer(5).sink(send)
    """,
    "calls side by side": """
        async def send(x):
            await asyncio.sleep(0.01)
            out.emit(x, asynchronous=True)
            return x
        inp.map_async(send, parallelism=3).sink(str)
    """,
    "an engine": "inp.scatter(backend='thread').map(slow).buffer(5).gather().sink(out.emit)",
    "a pipeline between": """
        between = thalweg.Stream()
        between.partition(2).flatten().sink(out.emit)
        inp.delay(0.01).sink(between.emit)
    """,
}

OUTS = {
    "no loop": "out.sink(show)",
    "a window": "out.partition(2).flatten().sink(show)",
    "a queue": "out.buffer(2).delay(0.005).sink(show)",
}

PROGRAM = """
import asyncio, atexit, sys, time
import thalweg

def show(x):
    print(x, flush=True)

def slow(x):
    time.sleep(0.01)
    return x

out = thalweg.Stream()
inp = thalweg.Stream()
{out}
{feed}
{begin}
"""


def program(feed, out, begin="inp.emit_many(range(3))"):
    return PROGRAM.format(feed=textwrap.dedent(feed), out=out, begin=begin)


@pytest.mark.parametrize("out", OUTS.values(), ids=OUTS.keys())
@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS.keys())
def test_elements_emitted_into_another_pipeline_at_exit_arrive(feed, out, python):
    done = python("-c", program(feed, out))
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n", "", 0)


@pytest.mark.parametrize("out", OUTS.values(), ids=OUTS.keys())
def test_elements_emitted_by_an_exit_handler_reach_other_pipelines(out, python):
    begin = "atexit.register(lambda: inp.emit_many(range(3)))"
    done = python("-c", f"import atexit\n{begin}\n" + program(FEEDS["a window"], out, ""))
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n", "", 0)


@pytest.mark.parametrize("out", OUTS.values(), ids=OUTS.keys())
def test_drain_all_delivers_elements_windows_emit_into_an_older_pipeline(out, python):
    # In a separate process: `drain_all` would drain the pipelines of other tests too.
    lines = [
        "from thalweg import Stream, drain_all",
        "out, younger, seen = Stream(), Stream(), []",
        "show = seen.append",
        out,
        "younger.partition(5).flatten().sink(out.emit)",
        "younger.emit_many(range(3))",
        "drain_all()",
        "print(seen)",
    ]
    done = python("-c", "\n".join(lines))
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 1, 2]\n", "", 0)


def test_elements_emitted_into_another_pipeline_at_loop_end_arrive(caplog):
    seen = []

    async def main():
        last, between, first = (Stream(asynchronous=True) for _ in range(3))
        last.delay(0.005).sink(seen.append)
        # No emitter waits for these elements.
        between.delay(0.005).map(lambda x: (last.emit(x), x)[1]).sink(str)
        first.delay(0.005).map(lambda x: (between.emit(x), x)[1]).sink(str)
        for x in range(3):
            await first.emit(x)

    asyncio.run(main())
    assert (seen, caplog.text) == ([0, 1, 2], "")


def test_pipelines_that_emit_into_each_other_for_ever_are_ended(python):
    feed = "inp.delay(0.001).sink(out.emit)"
    out = "out.delay(0.001).sink(inp.emit)"
    begin = "thalweg.runtime.program_end.PATIENCE_AT_EXIT = 0.2\ninp.emit(0)"
    done = python("-c", "import thalweg.runtime.program_end\n" + program(feed, out, begin))
    assert done.returncode == 0
    # The refusal is reported.
    assert "takes no more elements" in done.stderr


def test_windows_that_emit_into_each_other_for_ever_are_ended(python):
    feed = "inp.partition(2).sink(out.emit)"
    out = "out.partition(2).sink(inp.emit)"
    done = python("-c", program(feed, out, "inp.emit(0)"))
    assert done.returncode == 0
    assert "takes no more elements" in done.stderr


def test_an_emit_refused_inside_a_function_is_reported(python):
    lines = [
        "from thalweg import Stream",
        "closed, source = Stream(), Stream()",
        "closed.drain()",
        "source.partition(2).sink(closed.emit)",
        "source.emit(1)",
    ]
    done = python("-c", "\n".join(lines))
    assert done.returncode == 0
    assert "takes no more elements" in done.stderr


TASK = """
import threading, time
from thalweg import Stream
from thalweg.tasks import Client

began = threading.Event()

def show(x):
    print(x, flush=True)
    began.set()

out = Stream()
{out}

def work():
    {work}

client = Client(n_workers=1)
task = client.submit(work)
{wait}
"""


@pytest.mark.parametrize("out", ["out.sink(show)", "out.buffer(2).delay(0.005).sink(show)"])
def test_a_task_that_emits_at_program_end_does_not_hang(out, python):
    work = """
    began.set()
    # Until the program ends.
    while not threading._SHUTTING_DOWN:
        time.sleep(0.001)
    time.sleep(0.05)
    for x in range(5):
        out.emit(x)
    """
    done = python("-c", TASK.format(out=out, work=work, wait="began.wait()"))
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n3\n4\n", "", 0)


@pytest.mark.parametrize("out", OUTS.values(), ids=OUTS.keys())
@pytest.mark.parametrize("work", ["out.emit_many(range(5))", "for x in range(5): out.emit(x)"])
def test_a_task_suspended_in_an_emit_at_program_end_does_not_hang(work, out, python):
    wait = "began.wait()"
    if "partition" in out:
        # The first one leaves before the pair is complete.
        wait = "threading.Thread(target=began.wait).start()"
    done = python("-c", TASK.format(out=out, work=work, wait=wait))
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n3\n4\n", "", 0)


@pytest.mark.parametrize("emit", ["out.emit_many(range(5))", "[out.emit(x) for x in range(5)]"])
@pytest.mark.parametrize("out", [OUTS["no loop"], OUTS["a window"]])
def test_a_task_that_emits_right_after_a_drain_loses_nothing(out, emit, python):
    end = """
closed, emitted = threading.Event(), threading.Event()

def finish():
    closed.set()
    emitted.wait(60)

out._finish = finish
"""
    work = f"""
    began.set()
    closed.wait()
    {emit}
    emitted.set()
    """
    done = python("-c", TASK.format(out=out + end, work=work, wait="began.wait()"))
    assert (done.stdout, done.stderr, done.returncode) == ("0\n1\n2\n3\n4\n", "", 0)


def test_sys_exit_after_a_queue_prints_no_traceback_at_exit(python):
    done = python(
        "-c",
        "import sys\nfrom thalweg import Stream\ns = Stream()\ns.buffer(5).sink(lambda x: sys.exit(x))\ns.emit(3)\n",
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3)


def test_drain_all_stops_at_its_timeout(monkeypatch, no_other_pipelines):
    monkeypatch.setattr(program_end, "_LOOKS", sys.maxsize)
    first, second = Stream(), Stream()
    L = first.buffer(2).sink_to_list()
    second.buffer(2).sink(first.emit)
    second.emit(1)
    drain_all("40ms")
    assert L == [1]
