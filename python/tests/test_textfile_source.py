"""Text files and pipes as sources: encodings, line ends, what has been read ahead, what is refused."""

from __future__ import annotations

import asyncio
import os

import pytest

from support import PATIENCE, until
from thalweg import Stream, VirtualClock
from thalweg.errors import logger_name


@pytest.fixture
def clock():
    return VirtualClock()


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def test_a_character_split_across_reads_is_decoded(tmp_path, clock):
    path = tmp_path / "lines.txt"
    text = "Übergrößenträger\n".encode()
    path.write_bytes(text[:1])
    L = Stream.from_textfile(path, loop=clock, start=True).sink_to_list()
    for at in range(1, len(text)):
        clock.advance(1)
        append(path, text[at : at + 1])
    clock.advance(1)
    assert L == ["Übergrößenträger\n"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp037", "iso2022_jp"])
def test_open_files_are_read_in_their_encoding(encoding, tmp_path, clock):
    path = tmp_path / "lines.txt"
    path.write_text("a あ\nb\n" if encoding == "iso2022_jp" else "a é\nb\n", encoding=encoding)
    with path.open(encoding=encoding) as file:
        L = Stream.from_textfile(file, loop=clock, start=True).sink_to_list()
        clock.advance(1)
    assert "".join(L) == path.read_text(encoding=encoding)
    assert len(L) == 2


@pytest.mark.parametrize("delimiter", ["\n", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_what_an_open_pipe_has_read_ahead_is_emitted(encoding, delimiter):
    """The program may have read a header from it."""
    text = delimiter.join(["header", "é" * 5000, "b", "c", ""])
    reads, writes = os.pipe()
    with open(reads, encoding=encoding) as file, open(writes, "wb") as out:
        source = Stream.from_textfile(file, delimiter=delimiter)
        L = source.sink_to_list()
        out.write(text[:7000].encode(encoding))
        out.flush()
        assert file.read(7) == "header" + delimiter
        source.start()
        out.write(text.encode(encoding)[len(text[:7000].encode(encoding)) :])
        out.close()
        until(lambda: source.stopped)
    assert "".join(L) == text[7:]
    assert len(L) == 3


def test_a_pipe_whose_bytes_cannot_be_split_is_refused():
    reads, writes = os.pipe()
    with open(writes, "w"), open(reads, encoding="utf-16") as file, pytest.raises(ValueError, match="'utf-16'"):
        Stream.from_textfile(file)


@pytest.mark.parametrize("opened", [False, True])
def test_a_line_that_is_not_text_fails_alone(tmp_path, clock, opened):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"a\nb\xff\nc\n")
    source = Stream.from_textfile(path.open(encoding="utf-8") if opened else path, loop=clock)
    L = source.sink_to_list()
    bad = source.on_exception().sink_to_list()
    source.start()
    clock.advance(1)
    assert L == ["a\n", "c\n"]
    assert [isinstance(failure.exception, ValueError) for failure in bad] == [True]
    assert source.counters()["failed"] == 1
    assert not source.stopped


def test_a_source_skips_or_logs_elements_it_fails_to_create(tmp_path, clock, caplog):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xff\nc\n")
    for on_error, messages in (("skip", 0), ("raise", 1)):
        caplog.clear()
        L = Stream.from_textfile(path, on_error=on_error, loop=clock, start=True).sink_to_list()
        clock.advance(1)
        assert L == ["c\n"]
        assert [record.name for record in caplog.records] == [logger_name] * messages


def test_a_file_that_is_truncated_or_replaced_is_read_from_its_beginning(tmp_path, clock):
    path = tmp_path / "log"
    path.write_text("1\n2\n")
    L = Stream.from_textfile(path, loop=clock, start=True).sink_to_list()
    clock.advance(1)
    path.write_text("3\n")
    clock.advance(1)
    append(path, b"4\n")
    path.rename(tmp_path / "log.1")
    path.write_text("5\n")
    clock.advance(1)
    assert L == ["1\n", "2\n", "3\n", "4\n", "5\n"]


def test_line_endings_are_translated_as_in_python(tmp_path, clock):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"a\r\nb\n")
    L = Stream.from_textfile(path, loop=clock, start=True).sink_to_list()
    M = Stream.from_textfile(path, delimiter="\r\n", loop=clock, start=True).sink_to_list()
    clock.advance(1)
    assert L == ["a\n", "b\n"]
    assert M == ["a\r\n"]


def test_a_large_file_is_not_loaded_at_once(python):
    ended = python(
        "-c",
        "import resource\n"
        "from thalweg import Stream, VirtualClock\n"
        "with open('large.txt', 'w') as file:\n"
        "    file.writelines('x' * 63 + '\\n' for _ in range(1_000_000))\n"
        "clock, n = VirtualClock(), [0]\n"
        "def count(line):\n"
        "    n[0] += 1\n"
        "source = Stream.from_textfile('large.txt', loop=clock)\n"
        "source.sink(count)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source.start()\n"
        "clock.advance(1)\n"
        "print(n[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024)\n",
    )
    assert ended.stdout == "1000000 True\n", ended.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("opened", [False, True])
def test_a_pipe_does_not_block_the_loop(tmp_path, opened):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main():
        arrived = asyncio.Event()
        if opened:
            reader, writer = os.pipe()
            source = Stream.from_textfile(os.fdopen(reader), asynchronous=True)
        else:
            writer = None
            source = Stream.from_textfile(path, asynchronous=True)
        L = source.sink_to_list()
        source.sink(lambda line: arrived.set())
        source.start()
        # The empty pipe must not block other tasks.
        for _ in range(100):
            await asyncio.sleep(0)
        if writer is None:
            writer = await asyncio.to_thread(os.open, path, os.O_WRONLY)
        os.write(writer, b"a\n")
        await asyncio.wait_for(arrived.wait(), PATIENCE)
        os.close(writer)
        source.stop()
        return L

    assert asyncio.run(main()) == ["a\n"]


def test_a_non_file_is_reported_at_the_call(tmp_path):
    with pytest.raises(FileNotFoundError):
        Stream.from_textfile(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="from_textfile"):
        Stream.from_textfile(tmp_path)
    with pytest.raises(TypeError, match="from_textfile: `f`"):
        Stream.from_textfile(5)
    with pytest.raises(ValueError, match="from_textfile: `max_len`"):
        Stream.from_textfile(__file__, max_len=0)
