"""How pipelines end: everything is delivered, or reported."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from support import PATIENCE, rest_of
from thalweg import ClosedError, Sink, Source, Stream, UndeliveredError, VirtualClock


def test_drain_flushes_from_upstream_to_downstream():
    source = Stream()
    L = source.partition(3).map(sum).partition(2).sink_to_list()
    source.emit_many(range(8))
    assert L == [(3, 12)]
    source.drain()
    assert L == [(3, 12), (13,)]


def test_drain_flushes_windows_before_their_interval_ends():
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = source.timed_window("1h").filter(None).map(len).timed_window_unique("1h").filter(None).sink_to_list()
    source.emit_many("abc")
    source.drain()
    assert L == [(3,)]
    assert clock.time() < 3600


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.buffer(10).rate_limit(1), [0, 1, 2]),
        (lambda s: s.delay(1), [0, 1, 2]),
        (lambda s: s.shift(1), [0, 1, 2]),
        (lambda s: s.debounce(1), [2]),
        (lambda s: s.sample(1), [2]),
        (lambda s: s.partition(2, timeout=1), [(0, 1), (2,)]),
        (lambda s: s.partition_unique(2), [(0, 1), (2,)]),
        (lambda s: s.partition(2, key=lambda x: x % 2), [(0, 2), (1,)]),
    ],
)
def test_drain_waits_for_elements_in_flight_and_flushes_buffered_ones(build, expected):
    source = Stream(loop=VirtualClock())
    L = build(source).sink_to_list()
    for x in range(3):
        source.emit(x, asynchronous=True)
    source.drain()
    assert expected == L


def test_drain_waits_for_calls():
    async def slowly(x):
        await asyncio.sleep(10)
        return x

    clock = VirtualClock()
    source = Stream(loop=clock)
    L = source.map_async(slowly, parallelism=5).sink_to_list()
    source.emit_many(range(3))
    source.drain()
    assert L == [0, 1, 2]


def test_a_drained_pipeline_refuses_elements():
    source = Stream()
    L = source.sink_to_list()
    source.drain()
    with pytest.raises(ClosedError):
        source.emit(1)
    with pytest.raises(ClosedError):
        source.emit_many([1])
    assert L == []
    source.drain()


def test_drain_reports_undelivered_elements():
    async def never(x):
        await asyncio.sleep(10_000)

    clock = VirtualClock()
    source = Stream(loop=clock)
    source.buffer(10, stream_name="queue").sink(never, stream_name="stuck")
    source.emit_many(range(4))
    with pytest.raises(UndeliveredError) as caught:
        source.drain(timeout="5s")
    held = dict(caught.value.held)
    assert set(held) <= {"queue", "stuck"}
    assert sum(held.values()) >= 4
    assert "stuck" in str(caught.value)
    assert clock.time() == pytest.approx(5, abs=1)


def test_drain_also_reports_earlier_failures():
    async def never(x):
        if x == 0:
            raise ValueError("bad")
        await asyncio.sleep(10_000)

    source = Stream(loop=VirtualClock())
    source.buffer(10).sink(never)
    source.emit_many(range(2))
    with pytest.raises(UndeliveredError) as caught:
        source.drain(timeout=5)
    assert [type(error) for error in caught.value.exceptions] == [ValueError]


def test_drain_reports_unpaired_elements_of_a_zip():
    a, b = Stream(), Stream()
    a.zip(b, stream_name="pairs").sink_to_list()
    a.emit(1)
    with pytest.raises(UndeliveredError) as caught:
        a.drain()
    assert caught.value.held == [("pairs", 1)]


# Sources.


def test_drain_stops_sources():
    clock = VirtualClock()
    source = Stream.from_periodic(lambda: 1, "1s", loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance("5s")
    source.drain()
    n = len(L)
    clock.advance("5s")
    assert source.stopped
    assert 5 <= n == len(L)


def test_a_stopped_source_resumes_where_it_was():
    clock = VirtualClock()
    source = Stream.from_iterable(iter(range(6)), loop=clock)
    L = []

    async def see(x):
        L.append(x)
        if x == 2:
            source.stop()

    source.sink(see)
    source.start()
    clock.advance(1)
    assert L == [0, 1, 2]
    source.start()
    clock.advance(1)
    assert L == [0, 1, 2, 3, 4, 5]


def test_drain_sends_the_unterminated_tail_of_a_file(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("a\nb\nc")
    clock = VirtualClock()
    source = Stream.from_textfile(str(file), loop=clock, start=True)
    L = source.map(str.strip).partition(2).sink_to_list()
    clock.advance(1)
    assert L == [("a", "b")]
    source.drain()
    assert L == [("a", "b"), ("c",)]


def test_a_stop_keeps_the_unterminated_tail(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("a\nb")
    clock = VirtualClock()
    source = Stream.from_textfile(str(file), loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance(1)
    source.stop()
    clock.advance(1)
    with file.open("a") as more:
        more.write("c\n")
    source.start()
    clock.advance(1)
    assert L == ["a\n", "bc\n"]


def test_sink_to_textfile_appends(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("old\n")
    clock = VirtualClock()
    source = Stream.from_textfile(str(file), from_end=True, loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance(1)
    with file.open("a") as more:
        more.write("new\n")
    clock.advance(1)
    assert L == ["new\n"]


# Sinks.


def test_sink_to_textfile_is_flushed_by_a_drain_and_closed_with_the_sink(tmp_path):
    file = tmp_path / "out.txt"
    source = Stream()
    sink = source.map(str).sink_to_textfile(file)
    source.emit_many(range(3))
    source.drain()
    assert file.read_text() == "0\n1\n2\n"
    handle = sink._fp
    sink.destroy()
    del sink
    assert handle.closed


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
@pytest.mark.parametrize("drained", [True, False])
def test_a_full_disk_is_reported_once(drained, python):
    done = python(
        "-c",
        "from thalweg import Stream\n"
        "s = Stream()\n"
        "node = s.sink_to_textfile('/dev/full')\n"
        "s.emit('x')\n" + ("s.drain()\n" if drained else ""),
    )
    assert "No space left on device" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_a_full_disk_is_reported_when_a_sink_is_dropped_without_a_drain(caplog):
    source = Stream()
    node = source.sink_to_textfile("/dev/full") if os.path.exists("/dev/full") else pytest.skip("no /dev/full")
    source.emit("x")
    node.destroy()
    del node
    gc.collect()
    assert "No space left on device" in caplog.text


@pytest.mark.parametrize("fails", ["buffer(3).map(lambda x: 1 / x)", "map(lambda x: 1 / x)"])
def test_a_failing_drain_ends_an_iteration(fails):
    async def main():
        source, seen = Stream(asynchronous=True), []
        made = eval(f"source.{fails}", {"source": source})

        async def consume():
            async for x in made:
                seen.append(x)

        consuming = asyncio.ensure_future(consume())
        await asyncio.sleep(0)
        for x in (1, 0, 2):
            try:
                await source.emit(x)
            except ZeroDivisionError:
                continue
        with contextlib.suppress(ZeroDivisionError):
            await source.drain()
        await asyncio.wait_for(consuming, PATIENCE)
        return seen

    assert asyncio.run(main()) == [1.0, 0.5]


def test_a_failing_drain_still_writes_files(tmp_path):
    source = Stream()
    queue = source.buffer(3)
    node = queue.sink_to_textfile(tmp_path / "lines.txt")
    queue.sink(lambda x: 1 / 0)
    source.emit("a")
    with pytest.raises(ZeroDivisionError):
        source.drain()
    assert ((tmp_path / "lines.txt").read_text(), node.name) == ("a\n", node.name)


def test_all_nodes_are_flushed_even_if_one_fails():
    class Own(Sink):
        def update(self, x, who=None, metadata=None):
            pass

        def _drained(self):
            heard.append(self)
            raise OSError("no room")

    heard = []
    source = Stream()
    nodes = [Own(source) for _ in range(2)]
    with pytest.raises(OSError, match="no room"):
        source.drain()
    assert heard == nodes


def test_a_file_closed_meanwhile_does_not_fail_a_drain():
    file = io.StringIO()
    source = Stream()
    node = source.sink_to_textfile(file)
    source.emit("a")
    file.close()
    source.drain()
    assert node.upstreams


def test_drain_all_drains_every_pipeline(python):
    ended = python(
        "-c",
        "from thalweg import Stream, drain_all\n"
        "sources = [Stream() for _ in range(3)]\n"
        "lists = [source.partition(2).sink_to_list() for source in sources]\n"
        "for source in sources:\n"
        "    source.emit(1)\n"
        "drain_all()\n"
        "print(lists)\n",
    )
    assert ended.stdout == "[[(1,)], [(1,)], [(1,)]]\n", ended.stderr


def test_custom_sinks_are_flushed():
    class filing(Sink):
        flushed = 0

        def update(self, x, who=None, metadata=None):
            pass

        def _drained(self):
            self.flushed += 1

    source = Stream()
    node = filing(source)
    source.drain()
    assert node.flushed == 1


# The end of a script.


SCRIPTS = {
    "without a loop": """
source = Stream()
source.partition(2).sink(lambda x: print(x, flush=True))
for x in range(3):
    source.emit(x)
""",
    "a loop on a thread": """
source = Stream(asynchronous=False)
source.buffer(10).delay(0.01).partition(2).sink(lambda x: print(x, flush=True))
for x in range(3):
    source.emit(x)
""",
    "asyncio.run": """
async def main():
    global source
    source = Stream(asynchronous=True)
    source.partition(2).sink(lambda x: print(x, flush=True))
    for x in range(3):
        await source.emit(x)
asyncio.run(main())
""",
    "async with": """
async def main():
    async with Stream(asynchronous=True) as source:
        source.buffer(5).delay(0.01).partition(2).sink(lambda x: print(x, flush=True))
        for x in range(3):
            await source.emit(x)
asyncio.run(main())
""",
    "sys.exit": """
source = Stream()
source.partition(2).sink(lambda x: print(x, flush=True))
source.emit_many(range(3))
sys.exit(0)
""",
    "a source": """
source = Stream.from_iterable(range(3))
source.partition(2).sink(lambda x: print(x, flush=True))
source.start()
while not source.stopped:
    time.sleep(0.001)
""",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
@pytest.mark.parametrize("way", ["python", "python -m thalweg run"])
def test_a_script_drains_when_it_ends(script, way, python, tmp_path):
    file = tmp_path / "script.py"
    file.write_text("import asyncio, sys, time\nfrom thalweg import Stream\n" + script)
    ended = python(file) if way == "python" else python("-m", "thalweg", "run", file)
    assert ended.stdout.splitlines() == ["(0, 1)", "(2,)"], ended.stderr
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_script_drains_when_an_exception_ends_it(python):
    ended = python(
        "-c",
        "from thalweg import Stream\n"
        "source = Stream()\n"
        "source.partition(2).sink(print)\n"
        "source.emit(1)\n"
        "raise ValueError('the end')\n",
    )
    assert ended.stdout == "(1,)\n"
    assert "the end" in ended.stderr
    assert ended.returncode == 1


def test_unreported_failures_are_logged_when_a_script_ends(python):
    ended = python(
        "-c",
        "from thalweg import Stream\n"
        "source = Stream(asynchronous=False)\n"
        "source.buffer(5).map(lambda x: 1 / x).sink(print)\n"
        "source.emit(0)\n",
    )
    assert "ZeroDivisionError" in ended.stderr


LOOPING = """
import time
from thalweg import Stream
source = Stream({how})
source.partition(2).sink(lambda x: print(x, flush=True))
n = 0
while True:
    source.emit(n)
    n += 1
    if n == 3:
        print("ready", flush=True)
    while n >= 3:
        time.sleep(0.02)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["", "asynchronous=False"])
@pytest.mark.parametrize("way", [[], ["-m", "thalweg", "run"]], ids=["python", "python -m thalweg run"])
def test_ctrl_c_drains(how, way, tmp_path):
    file = tmp_path / "script.py"
    file.write_text(LOOPING.format(how=how))
    process = subprocess.Popen(
        [sys.executable, *way, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        out, err = rest_of(process)
    finally:
        process.kill()
        process.wait(PATIENCE)
    assert "".join(said) == "(0, 1)\nready\n"
    assert out == "(2,)\n", err
    assert "interrupt" in err.lower()
    assert process.returncode != 0


LOOPS = {
    "buffer": "s.buffer(5).rate_limit(0.01)",
    "delay": "s.delay(0.01)",
    "rate_limit": "s.rate_limit(0.01)",
    "map_async": "s.map_async(slow)",
    "fibonacci": "s.sliding_window(2, return_partial=False).map(sum).delay(0.01)",
}


@pytest.mark.parametrize("how", ["by hand", "at exit", "with"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_drain_cuts_cycles(loop, how, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import asyncio, threading, time
from thalweg import Stream
async def slow(x):
    await asyncio.sleep(0.01)
    return x
if {how == "with"}:
    s = Stream.from_iterable([0, 1])
else:
    s = Stream()
after, enough = [], threading.Event()
back = {LOOPS[loop]}
back.connect(s)
def note(x):
    after.append(x)
    if len(after) > 5:
        enough.set()
s.sink(note)
if {how == "with"}:
    with s:
        s.start()
        enough.wait(20)
else:
    def emit():
        s.emit(0); s.emit(1)
    threading.Thread(target=emit, daemon=True).start()
    enough.wait(20)
    if {how == "by hand"}:
        s.drain(30)
        s.drain(30)
print("done", len(after) > 1)
"""
    )
    done = subprocess.run([sys.executable, "-I", str(program)], capture_output=True, text=True, timeout=9, check=False)
    assert (done.returncode, done.stdout) == (0, "done True\n"), done.stderr


def test_with_is_refused_where_it_cannot_wait():
    async def main():
        with pytest.raises(RuntimeError, match="use `async with`"), Stream(asynchronous=True):
            pass
        # A loop thread can be waited for.
        with Stream() as source:
            L = source.buffer(2).partition(2).sink_to_list()
            source.emit(1)
        return L

    assert asyncio.run(main()) == [(1,)]
    with Stream(asynchronous=True) as source:
        L = source.partition(2).sink_to_list()
        source.emit(1)
    assert L == [(1,)]


def test_a_source_that_keeps_its_event_loop_busy_does_not_hold_up_a_drain(monkeypatch):
    monkeypatch.setattr("thalweg.runtime.lifecycle.GRACE", 0.05)
    begun, over = threading.Event(), threading.Event()

    class Endless(Source):
        async def run(self):
            begun.set()
            while not over.is_set():
                await self.emit(1)

    source = Endless()
    source.sink(lambda _: None)
    source.start()
    begun.wait()
    try:
        with pytest.raises(UndeliveredError, match="`Endless` did not stop in time, and keeps its event loop busy"):
            source.drain(0.1)
    finally:
        over.set()
    source.drain()
