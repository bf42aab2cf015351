"""Reading and writing files of records."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from thalweg import BuildError, RefCounter, Stream, VirtualClock

ROWS = [{"name": 'Ob, "upper"', "km": "3650"}, {"name": "Дон\nДон", "km": ""}]


def read(make, path, **kwargs):
    """Elements of a file, and errors of invalid records."""

    async def main():
        errors = Stream(asynchronous=True)
        caught = errors.map(lambda failure: str(failure.exception)).sink_to_list()
        source = make(path, asynchronous=True, on_error=errors, **kwargs)
        L = source.sink_to_list()
        source.start()
        await source.finished()
        return L, caught

    return asyncio.run(main())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_written_files_can_be_read(tmp_path, kind):
    source = Stream()
    node = getattr(source, f"to_{kind}")(tmp_path / "{number}", max_rows=1)
    source.emit_many(ROWS)
    source.drain()
    assert names(tmp_path) == ["000000", "000001"]
    assert [read(getattr(Stream, f"from_{kind}"), path) for path in sorted(tmp_path.iterdir())] == [
        ([row], []) for row in ROWS
    ]
    assert type(node).__name__ == f"to_{kind}"


def test_messages_keep_their_bytes(tmp_path):
    messages = [b"", b"river\n", bytes(range(256))]
    source = Stream()
    source.to_files(tmp_path / "all.bin", length_prefix=2)
    source.emit_many(messages)
    source.drain()
    assert read(Stream.from_length_prefixed, tmp_path / "all.bin", length_prefix=2) == (messages, [])


def test_frames_are_written_as_parquet_and_read_in_batches(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"number": [1, 2]})
    frames = [table, table.to_batches()[0]]
    for package in ["pandas", "polars"]:
        try:
            frames.append(__import__(package).DataFrame({"number": [3, 4]}))
        except ImportError:
            continue
    source = Stream()
    source.to_parquet(tmp_path / "{number}.parquet", max_rows=100)
    source.emit_many(frames)
    with pytest.raises(TypeError, match="not a batch of rows"):
        source.emit({"number": 1})
    with pytest.raises(ValueError, match="schema"):
        source.emit(pyarrow.table({"other": [1]}))
    source.drain()
    batches, errors = read(Stream.from_parquet, tmp_path / "000000.parquet", batch_rows=3)
    assert sum(len(batch) for batch in batches) == 2 * len(frames) and max(map(len, batches)) == 3
    assert errors == []
    [batch, *_], _ = read(Stream.from_parquet, tmp_path / "000000.parquet", columns="number")
    assert batch.schema.names == ["number"]


def test_a_column_that_is_not_in_the_file_is_an_error(tmp_path, caplog):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"at": [{"x": 1, "y": 2}], "km": [3]}), path)
    [batch], _ = read(Stream.from_parquet, path, columns=["at.x", "km"])
    assert batch.to_pylist() == [{"at": {"x": 1}, "km": 3}]
    assert read(Stream.from_parquet, path, columns=["km", "miles"]) == ([], [])
    assert "no column 'miles'" in caplog.text and "at, km" in caplog.text


def test_a_bad_record_is_reported_with_its_place(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n1,2\n3\n\xff,4\n5,6\n")
    rows, errors = read(Stream.from_csv, path)
    assert rows == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    assert errors == [
        f"{path}: line 3, byte 8: 1 values for 2 columns",
        f"{path}: line 4, byte 10: invalid UTF-8 in column 1",
    ]
    path.write_text("1\n[\n2")
    values, errors = read(Stream.from_jsonl, path)
    assert values == [1, 2]
    assert len(errors) == 1 and errors[0].startswith(f"{path}: line 2, byte 2: ")


def test_an_element_is_acknowledged_when_its_file_is_renamed(tmp_path):
    clock, told = VirtualClock(), []
    source = Stream(loop=clock)
    source.to_files(tmp_path / "{number}", max_age="1min", sync=False)
    reference = RefCounter(initial=1, cb=lambda: told.append(names(tmp_path)))
    source.emit("a line", metadata=[{"ref": reference}])
    reference.release()
    clock.advance("59s")
    assert told == []
    clock.advance("1s")
    assert told == [["000000"]]


def test_an_unwritable_element_fails_alone(tmp_path):
    source = Stream()
    source.to_jsonl(tmp_path / "all.jsonl")
    source.emit(1)
    for wrong in [float("nan"), {1, 2}]:
        with pytest.raises((TypeError, ValueError)):
            source.emit(wrong)
    source.emit(2)
    source.drain()
    assert (tmp_path / "all.jsonl").read_text() == "1\n2\n"


def test_a_missing_folder_is_an_oserror_with_a_remedy(tmp_path):
    source = Stream()
    source.to_files(tmp_path / "no" / "all.txt")
    with pytest.raises(FileNotFoundError, match=r"cannot create .*all.txt.*; is there a folder"):
        source.emit("lost")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda s: s.to_files("all.txt", max_rows=1), "files that end need"),
        (lambda s: s.to_files("{hour}.txt"), "no other braces"),
        (lambda s: s.to_files("all.txt", length_prefix=3), "1, 2, 4 or 8"),
        (lambda s: s.to_csv("all.csv", delimiter="::"), "one character"),
        (lambda s: Stream.from_csv("all.csv", delimiter="\n"), "from_csv: `delimiter` is one character"),
        (lambda s: Stream.from_length_prefixed("x", length_prefix=5), "1, 2, 4 or 8"),
    ],
)
def test_wrong_arguments_are_reported_at_once(make, problem):
    with pytest.raises((ValueError, BuildError), match=problem):
        make(Stream())


#: Writes more than the file size limit allows, and prints the outcome.
PROGRAM = """
import resource, signal, sys
from thalweg import Stream
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
source = Stream()
source.to_files(sys.argv[1])
try:
    for _ in range(300):
        source.emit("x" * 999)
except OSError as error:
    print(error)
"""


def test_an_exceeded_file_size_limit_is_an_error_with_a_remedy(tmp_path):
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "all.txt"], capture_output=True, text=True, check=False
    )
    assert "cannot write to" in done.stdout and "set a smaller `max_bytes`" in done.stdout, done
    assert not (tmp_path / "all.txt").exists()


def test_elements_are_in_their_file_when_a_program_ends(tmp_path):
    source = Stream()
    source.to_csv(tmp_path / "all.csv", columns=["a", "b"], delimiter=";")
    source.emit_many([(1, None), ["x;y", 2]])
    with pytest.raises(ValueError, match="3 values for 2 columns"):
        source.emit((1, 2, 3))
    source.drain()
    assert (tmp_path / "all.csv").read_text() == 'a;b\n1;\n"x;y";2\n'


WITH_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")


@WITH_PIPES
@pytest.mark.parametrize("kind", ["jsonl", "csv", "length_prefixed"])
def test_a_pipe_without_a_writer_does_not_hold_up_the_event_loop(tmp_path, kind):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def read():
        source = getattr(Stream, f"from_{kind}")(path, asynchronous=True)
        source.start()
        await source.drain("30s")

    asyncio.run(read())


@WITH_PIPES
def test_records_of_a_pipe_are_emitted_until_its_end(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def read():
        source = Stream.from_jsonl(path, asynchronous=True)
        L = source.sink_to_list()
        source.start()
        await asyncio.to_thread(path.write_text, "1\n2\n3")
        await source.finished()
        return L

    assert asyncio.run(read()) == [1, 2, 3]


@WITH_PIPES
def test_parquet_in_a_pipe_is_refused(tmp_path, caplog):
    pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert read(Stream.from_parquet, path) == ([], [])
    assert "regular file" in caplog.text
