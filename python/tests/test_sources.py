"""Sources: what they read, how they fail, how they end."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

import thalweg
from support import PATIENCE, until
from thalweg import ClosedError, RefCounter, Stream, VirtualClock
from thalweg.errors import logger_name


@pytest.fixture
def clock():
    return VirtualClock()


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


# File names.


def test_a_directory_is_never_a_pattern(tmp_path, clock):
    for directory in ("dir[1]", "dir1"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a").touch()
    L = Stream.filenames(tmp_path / "dir[1]", loop=clock, start=True).sink_to_list()
    clock.advance(1)
    assert L == [str(tmp_path / "dir[1]" / "a")]
    (tmp_path / "dir[1]" / "b").touch()
    clock.advance(1)
    assert L[1:] == [str(tmp_path / "dir[1]" / "b")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["1.csv", "{1}.csv"]),
        ("[!1].csv", []),
        ("{1}.csv", ["{1}.csv"]),
        ("?.csv", ["1.csv"]),
        ("[1", ["[1"]),
        ("**/*.csv", ["sub/3.csv"]),
        ("[[]1", ["[1"]),
    ],
)
def test_patterns_match_like_glob(tmp_path, clock, pattern, found):
    import glob

    (tmp_path / "sub" / "sub").mkdir(parents=True)
    for name in ("1.csv", "{1}.csv", "sub/3.csv", "sub/sub/4.csv", "[1"):
        (tmp_path / name).touch()
    L = Stream.filenames(tmp_path / pattern, loop=clock, start=True).sink_to_list()
    clock.advance(1)
    assert sorted(os.path.relpath(name, tmp_path) for name in L) == found
    assert sorted(L) == sorted(glob.glob(str(tmp_path / pattern)))


def test_recursive_patterns_match_if_enabled(tmp_path, clock):
    (tmp_path / "sub" / "sub").mkdir(parents=True)
    (tmp_path / "sub" / "sub" / "4.csv").touch()
    L = Stream.filenames(tmp_path / "**" / "*.csv", recursive=True, loop=clock, start=True).sink_to_list()
    clock.advance(1)
    assert L == [str(tmp_path / "sub" / "sub" / "4.csv")]


# Processes.


def lines_of(program, **kwargs):
    async def main():
        source = Stream.from_process([sys.executable, "-c", program], asynchronous=True, **kwargs)
        L = source.sink_to_list()
        bad = source.on_exception().sink_to_list()
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)
        return L, bad, source

    return asyncio.run(main())


def test_many_lines_of_a_process():
    L, bad, source = lines_of("for i in range(40000): print(i)")
    assert L == [b"%d\n" % i for i in range(40000)]
    assert not bad and source.stopped
    assert source.process.returncode == 0


def test_a_long_line_of_a_process_is_a_line():
    L, bad, _ = lines_of("print('a'); print('x' * 1000000); print('b', end='')")
    assert [len(line) for line in L] == [2, 1000001, 1]
    assert not bad
    L, bad, _ = lines_of("print('a'); print('x' * 1000); print('b', end='')", max_len=100, with_end=False)
    assert L == [b"a\n"]
    assert [str(failure.exception) for failure in bad] == ["the line at byte 2 is longer than the 100 bytes allowed"]


def test_arguments_for_the_process(tmp_path):
    program = "import os, sys; print(os.getcwd(), os.environ['X']); print('oops', file=sys.stderr)"
    L, _, _ = lines_of(program, with_stderr=True, open_kwargs={"cwd": tmp_path, "env": {"X": "y"}})
    assert sorted(L) == sorted([f"{tmp_path} y\n".encode(), b"oops\n"])
    with pytest.raises(TypeError, match="from_process: `open_kwargs`: 'colour'"):
        Stream.from_process("true", open_kwargs={"colour": "red"})


def test_a_process_is_held_back_by_its_pipeline_and_ends_with_its_source():
    async def main():
        source = Stream.from_process([sys.executable, "-c", "while True: print('x' * 1000)"], asynchronous=True)
        arrived = asyncio.Event()

        async def stuck(line):
            arrived.set()
            await asyncio.Event().wait()

        source.sink(stuck)
        source.start()
        await asyncio.wait_for(arrived.wait(), PATIENCE)
        assert source.process.poll() is None
        source.stop()
        while source.process.poll() is None:
            await asyncio.sleep(0.01)

    # Failures of the stuck sink are expected.
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(main())
    finally:
        logging.disable(logging.NOTSET)


def test_a_restarted_source_runs_its_process_again():
    async def main():
        source = Stream.from_process([sys.executable, "-c", "print(1)"], asynchronous=True)
        L = source.sink_to_list()
        for _ in range(2):
            source.start()
            await asyncio.wait_for(source.finished(), PATIENCE)
        return L

    assert asyncio.run(main()) == [b"1\n", b"1\n"]


@pytest.mark.parametrize(
    ("end", "words"),
    [("sys.exit(3)", "returned non-zero exit status 3"), ("os.kill(os.getpid(), 9)", "died with <Signals.SIGKILL: 9>")],
)
def test_a_process_that_fails_is_reported_after_its_last_line(end, words, caplog):
    L, _, source = lines_of(f"import os, sys; print('a', flush=True); {end}")
    assert L == [b"a\n"] and source.stopped
    assert words in caplog.text


def test_a_process_that_the_source_ends_is_no_failure(caplog):
    async def main():
        source = Stream.from_process([sys.executable, "-c", "print(1, flush=True); input()"], asynchronous=True)
        arrived = asyncio.Event()
        source.sink(lambda line: arrived.set())
        source.open_kwargs["stdin"] = subprocess.PIPE
        source.start()
        await asyncio.wait_for(arrived.wait(), PATIENCE)
        source.stop()
        await asyncio.wait_for(source.finished(), PATIENCE)
        assert source.process.returncode != 0

    asyncio.run(main())
    assert not caplog.records


# Servers.


def free_port():
    with socket.create_server(("localhost", 0)) as taken:
        return taken.getsockname()[1]


async def connect(source, port):
    while source.server is None:
        await asyncio.sleep(0.001)
    return await asyncio.open_connection("localhost", port)


def test_a_long_tcp_message_arrives_and_an_oversized_one_fails_alone():
    async def main():
        port = free_port()
        source = Stream.from_tcp(port, max_len=200_000, asynchronous=True)
        done = asyncio.Event()
        L = source.map(len).sink_to_list()
        source.sink(lambda line: done.set() if line == b"end\n" else None)
        bad = source.on_exception().sink_to_list()
        source.start()
        _, writer = await connect(source, port)
        writer.write(b"a\n" + b"x" * 70_000 + b"\n" + b"y" * 300_000 + b"\nb\nend\n")
        await asyncio.wait_for(done.wait(), PATIENCE)
        writer.close()
        await source.drain()
        return L, [str(failure.exception) for failure in bad]

    L, bad = asyncio.run(main())
    assert L == [2, 70_001, 2, 4]
    assert len(bad) == 1
    assert re.fullmatch(r"from \S+: the line at byte 70003 is longer than the 200000 bytes allowed", bad[0])


def test_streamz_server_arguments_are_accepted_or_refused_at_the_call():
    Stream.from_tcp(0, server_kwargs={"max_buffer_size": 1000, "read_chunk_size": 100})
    with pytest.raises(TypeError, match="from_tcp: `server_kwargs`: 'colour'"):
        Stream.from_tcp(0, server_kwargs={"colour": "red"})
    Stream.from_http_server(0, server_kwargs={"max_body_size": 1000})
    with pytest.raises(TypeError, match="from_http_server: `server_kwargs`"):
        Stream.from_http_server(0, server_kwargs={"colour": "red"})
    with pytest.raises(ValueError, match="from_tcp"):
        Stream.from_tcp(0, delimiter=b"")


async def post(port, body):
    reader, writer = await asyncio.open_connection("localhost", port)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    writer.write(head + body)
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return int(answer.split()[1])


def test_a_response_reports_the_outcome_of_the_element(caplog):
    async def main():
        port = free_port()
        source = Stream.from_http_server(port, asynchronous=True)
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def write(x):
            if x == 7:
                begun.set()
                await go_on.wait()

        source.map(int).sink(write)
        source.start()
        while source.server is None:
            await asyncio.sleep(0.001)
        answers = [await post(port, b"1"), await post(port, b"x"), await post(port, b"2")]
        slow = asyncio.ensure_future(post(port, b"7"))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        reader, writer = await asyncio.open_connection("localhost", port)
        source.stop()
        # A request on a connection from before the stop comes too late.
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\n3")
        closing = await asyncio.wait_for(reader.read(), PATIENCE)
        go_on.set()
        answers += [await slow, int(closing.split()[1])]
        writer.close()
        await source.drain()
        return answers

    assert asyncio.run(main()) == [200, 500, 200, 200, 503]
    assert len([record for record in caplog.records if record.name == logger_name]) == 1


# Sources of one's own.


@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_that_yields_is_a_failure(clock, is_async, caplog):
    class Plain(thalweg.Source):
        def run(self):
            yield 1

    class Async(thalweg.Source):
        async def run(self):
            yield 1

    source = (Async if is_async else Plain)(loop=clock, start=True)
    clock.advance(1)
    assert source.stopped
    assert "what it yields goes nowhere" in caplog.text


# Event loops.


@pytest.mark.parametrize("kind", ["from_iterable", "from_periodic", "from_q", "from_process", "from_http_server"])
def test_a_source_continues_on_the_next_event_loop(kind):
    numbers = iter(range(1, 1_000_000))
    elements = queue.Queue()
    source = {
        "from_iterable": lambda: Stream.from_iterable(numbers, asynchronous=True),
        "from_periodic": lambda: Stream.from_periodic(lambda: next(numbers), 0.001, asynchronous=True),
        "from_q": lambda: Stream.from_q(elements, asynchronous=True),
        "from_process": lambda: Stream.from_process([sys.executable, "-c", "print(1)"], asynchronous=True),
        "from_http_server": lambda: Stream.from_http_server(0, asynchronous=True),
    }
    made = []

    async def main():
        if not made:
            made.append(source[kind]())
            made.append(made[0].sink_to_list())
        source_, L = made
        before = len(L)
        source_.start()
        elements.put(1)
        if kind == "from_http_server":
            assert await post(source_.port, b"1") == 200
        while len(L) == before:
            await asyncio.sleep(0.001)
        source_.stop()
        await source_.finished()
        return asyncio.get_running_loop()

    loops = [asyncio.run(asyncio.wait_for(main(), PATIENCE)) for _ in range(2)]
    assert made[0]._event_loop is loops[1]


def test_a_source_that_could_not_be_started_can_be_started():
    made = []

    async def make():
        made.append(Stream.from_http_server(0, asynchronous=True))
        made.append(made[0].sink_to_list())
        made[0].start()
        made[0].stop()

    async def use():
        source, L = made
        source.start()
        assert await post(source.port, b"1") == 200
        return L

    asyncio.run(make())
    source, L = made
    with pytest.raises(RuntimeError, match="the event loop has been closed"):
        source.start()
    assert source.stopped and source.server is None
    assert asyncio.run(asyncio.wait_for(use(), PATIENCE)) == [b"1"]


# Endings.


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("make", ["iterable", "periodic", "textfile", "q"])
def test_a_source_ends_when_a_function_raises_a_base_exception(tmp_path, caplog, error, make):
    path = tmp_path / "lines.txt"
    path.write_text("0\n1\n2\n")
    numbers = iter(range(3))
    if make == "iterable":
        source = Stream.from_iterable(range(3), asynchronous=False)
    elif make == "periodic":
        source = Stream.from_periodic(lambda: next(numbers, 2), 0.001, asynchronous=False)
    elif make == "textfile":
        source = Stream.from_textfile(path, asynchronous=False)
    else:
        import queue

        q = queue.Queue()
        for x in range(3):
            q.put(x)
        source = Stream.from_q(q, asynchronous=False)
    seen, came = [], threading.Event()

    def write(x):
        seen.append(int(x))
        if len(seen) == 1:
            raise error("enough")
        came.set()

    source.sink(write)
    source.start()
    assert source._run_state.wait_in_thread(PATIENCE)
    assert source.stopped
    assert any("has ended: a function raised" in record.getMessage() for record in caplog.records)
    source.start()
    assert came.wait(PATIENCE)
    assert not source.stopped or make == "iterable"
    source.drain()


def test_a_source_of_a_drained_pipeline_ends_silently(tmp_path, clock, caplog):
    path = tmp_path / "lines.txt"
    path.write_text("a\n")
    source = Stream.from_textfile(path, loop=clock, start=True)
    L = source.sink_to_list()
    clock.advance(1)
    source._drain(1, False)
    append(path, b"b\n")
    clock.advance(1)
    assert source.stopped and L == ["a\n"]
    with pytest.raises(ClosedError):
        source.emit("c")
    assert not caplog.records


@pytest.mark.parametrize("make", [lambda: Stream.from_iterable([1, 2]), lambda: Stream.from_http_server(0)])
def test_a_source_of_a_drained_pipeline_cannot_be_started(make):
    source = make()
    source.sink_to_list()
    source.start()
    source.drain(PATIENCE)
    with pytest.raises(ClosedError, match="the pipeline was drained"):
        source.start()
    assert source.stopped
    assert getattr(source, "server", None) is None


# Sinks.


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
def test_elements_refused_by_a_full_disk_are_not_acknowledged():
    source = Stream()
    node = source.sink_to_textfile("/dev/full")
    acknowledged = []
    for x in range(100):
        counter = RefCounter(cb=lambda x=x: acknowledged.append(x))
        with pytest.raises(OSError, match="No space left"):
            source.emit(str(x), metadata=[{"ref": counter}])
    assert acknowledged == []
    with pytest.raises(OSError, match="No space left"):
        node._fp.close()


def test_acknowledged_lines_survive_the_process(python, tmp_path):
    ended = python(
        "-c",
        "import os, sys\n"
        "from thalweg import RefCounter, Stream, sink_to_file\n"
        "acknowledged = []\n"
        "source = Stream()\n"
        "source.sink_to_textfile('one.txt')\n"
        "file = sink_to_file('two.txt', source)\n"
        "for x in range(1000):\n"
        "    source.emit(str(x), metadata=[{'ref': RefCounter(cb=lambda: acknowledged.append(1))}])\n"
        "source.emit('not acknowledged')\n"
        "lines = [len(open(name).readlines()) for name in ('one.txt', 'two.txt')]\n"
        "print(len(acknowledged), lines, flush=True)\n"
        "os._exit(0)\n",
    )
    assert ended.stdout == "1000 [1000, 1000]\n", ended.stderr


def test_from_end_reads_lines_appended_after_the_start(tmp_path):
    path = tmp_path / "log"
    path.write_text("before\nhalf")
    clock = VirtualClock()
    source = Stream.from_textfile(path, from_end=True, loop=clock)
    L = source.sink_to_list()
    source.start()
    # The event loop has not started the source yet.
    with path.open("a") as file:
        file.write(" a line\nafter\n")
    clock.advance("1s")
    assert L == ["half a line\n", "after\n"]


@pytest.mark.parametrize("kind", ["from_periodic", "from_iterable", "user-defined"])
def test_a_source_ended_by_its_own_function_reports_it(kind, caplog):
    class Own(thalweg.Source):
        async def _run(self):
            raise SystemExit(3)

    def items():
        yield 1
        raise SystemExit(3)

    def leave():
        raise SystemExit(3)

    source = {
        "from_periodic": lambda: Stream.from_periodic(leave, 0.01),
        "from_iterable": lambda: Stream.from_iterable(items()),
        "user-defined": Own,
    }[kind]()
    source.sink_to_list()
    source.start()
    asyncio.run_coroutine_threadsafe(source.finished(), source._event_loop).result(10)
    assert "has ended: a function raised SystemExit(3)" in caplog.text


@pytest.mark.parametrize("batches", [True, False])
def test_a_source_continues_if_a_function_emits_into_a_closed_pipeline(batches, caplog):
    closed = Stream()
    closed.drain()
    made = iter(range(3))
    source = Stream.from_iterable(range(3)) if batches else Stream.from_periodic(lambda: next(made, None), 0.001)
    L = source.sink_to_list()
    source.sink(closed.emit)
    source.start()
    if batches:
        asyncio.run_coroutine_threadsafe(source.finished(), source._event_loop).result(10)
    else:
        until(lambda: len(L) >= 3)
    source.drain()
    assert L[:3] == [0, 1, 2]
    assert "takes no more elements" in caplog.text


class Endless:
    """A queue that is never empty."""

    def get_nowait(self):
        time.sleep(0.0001)
        return "x"


@pytest.mark.parametrize("kind", ["from_q", "from_process", "user-defined"])
def test_a_source_that_never_pauses_delays_no_other_pipeline_or_drain(kind):
    class Own(thalweg.Source):
        async def _run(self):
            for waiting in self._emit("x"):
                await waiting

    source = {
        "from_q": lambda: Stream.from_q(Endless()),
        "from_process": lambda: Stream.from_process([sys.executable, "-c", "while True: print('x')"]),
        "user-defined": Own,
    }[kind]()
    seen = []
    source.sink(lambda x: (time.sleep(0.0001), seen.append(x)))
    other = Stream()
    L = other.buffer(3).sink_to_list()
    source.start()
    until(lambda: seen)
    other.emit_many(range(10))
    other.drain(PATIENCE)
    assert L == list(range(10))
    if kind == "from_q":
        with pytest.raises(thalweg.UndeliveredError, match="`from_q` did not stop in time"):
            source.drain("50ms")
    else:
        source.stop()


def test_a_drain_names_the_source_that_has_not_stopped():
    class Stubborn(thalweg.Source):
        async def run(self):
            self.gate = asyncio.Event()
            await self.gate.wait()

    source = Stubborn(stream_name="stubborn")
    source.sink_to_list()
    source.start()
    until(lambda: hasattr(source, "gate"))
    with pytest.raises(thalweg.UndeliveredError, match="`stubborn` did not stop in time") as error:
        source.drain("10ms")
    source._event_loop.call_soon_threadsafe(source.gate.set)
    assert error.value.held == [("stubborn", 0)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python does not tell who has cancelled")
@pytest.mark.parametrize("kind", ["function", "asynchronous function", "generator", "asynchronous generator"])
def test_a_source_says_that_a_cancelled_call_has_ended_it(kind, caplog):
    """What it called was cancelled, and not the source."""

    def call():
        raise asyncio.CancelledError("mine")

    async def call_later():
        call()

    def generate():
        yield call()

    async def generate_later():
        yield call()

    source = {
        "function": lambda: Stream.from_periodic(call, 0.01),
        "asynchronous function": lambda: Stream.from_periodic(call_later, 0.01),
        "generator": lambda: Stream.from_iterable(generate()),
        "asynchronous generator": lambda: Stream.from_iterable(generate_later()),
    }[kind]()
    source.sink(print)
    source.start()
    until(lambda: source.stopped)
    until(lambda: "has ended: a function raised CancelledError('mine')" in caplog.text)
