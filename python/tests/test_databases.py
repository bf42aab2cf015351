"""Batches of elements, tables, and positions stored with the rows."""

from __future__ import annotations

import asyncio
import datetime
import logging
import sqlite3
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest

from thalweg import Database, PipelineError, Stream

FEED = Path(__file__).parents[1] / "examples" / "feed_to_database.py"


def rows(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@dataclass
class Reading:
    id: int
    celsius: float


Point = namedtuple("Point", "id celsius")


def test_rows_are_made_of_dicts_dataclasses_tuples_and_frames(tmp_path):
    pd = pytest.importorskip("pandas")
    path = tmp_path / "readings.db"
    source = Stream()
    source.to_sql(f"sqlite:{path}", "readings", columns=["id", "celsius"], create=True)
    source.emit({"id": 1, "celsius": 20.5})
    source.emit(Reading(2, 20.7))
    source.emit(Point(3, None))
    source.emit((4, 21))
    source.emit(pd.DataFrame({"id": [5, 6], "celsius": [21.5, 22.5]}))
    source.drain()
    expected = [(1, 20.5), (2, 20.7), (3, None), (4, 21.0), (5, 21.5), (6, 22.5)]
    assert rows(path, "SELECT id, celsius FROM readings ORDER BY id") == expected


def test_values_of_each_type_are_read_back(tmp_path):
    path = tmp_path / "values.db"
    row = {"a": 2**62, "b": -0.5, "c": "ä\0\"'", "d": b"\0\xff", "e": None, "f": True}
    source = Stream()
    source.to_sql(f"sqlite:{path}", "values", create=True)
    source.emit({**row, "t": datetime.date(2026, 1, 2)})
    source.drain()

    async def read():
        found = Stream.from_sql(f"sqlite:{path}", 'SELECT * FROM "values"', "a", asynchronous=True)
        L = found.sink_to_list()
        found.start()
        await found.finished()
        return L

    assert asyncio.run(read()) == [{**row, "f": 1, "t": "2026-01-02"}]


def test_rows_of_frames_of_polars_and_arrow_are_written(tmp_path):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    path = tmp_path / "frames.db"
    source = Stream()
    source.to_sql(f"sqlite:{path}", "frames", create=True)
    source.emit(pl.DataFrame({"x": [1, None]}))
    source.emit(pa.table({"x": [2]}))
    source.emit(pa.record_batch({"x": [3]}))
    source.drain()
    assert rows(path, "SELECT x FROM frames ORDER BY rowid") == [(1,), (None,), (2,), (3,)]


def test_times_and_missing_values_of_numpy_and_pandas_are_stored_as_those_of_python(tmp_path):
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    path = tmp_path / "scalars.db"
    source, refused = Stream(), Stream()
    failed = refused.map(lambda failure: str(failure.exception).splitlines()[0]).sink_to_list()
    source.to_sql(f"sqlite:{path}", "scalars", create=True, on_error=refused)
    source.emit(pd.DataFrame({"x": [pd.Timestamp("2020"), pd.NaT]}))
    for x in (pd.NA, np.datetime64("NaT", "ns"), np.datetime64("2020", "ns"), np.datetime64("2020-01-01")):
        source.emit({"x": x})
    source.emit({"x": np.datetime64("2020-01-01T00:00:00.000000001")})
    source.emit({"x": np.longdouble(1.5)})
    source.emit({"x": np.timedelta64(1, "ns")})
    source.drain()
    day = "2020-01-01"
    assert rows(path, "SELECT x FROM scalars ORDER BY rowid") == [
        (f"{day}T00:00:00",), (None,), (None,), (None,), (f"{day}T00:00:00",), (day,), (f"{day}T00:00:00.000000001",),
    ]  # fmt: skip
    assert "a longdouble cannot be stored" in failed[0] or "a float128" in failed[0]
    assert "a timedelta64 cannot be stored" in failed[1]


def test_a_key_that_is_no_column_is_named(tmp_path):
    source = Stream()
    source.to_sql(f"sqlite:{tmp_path / 'keys.db'}", "keys", key="id", create=True)
    source.emit({"x": 1})
    with pytest.raises(PipelineError, match="has to have the columns of `key`"):
        source.drain()


def test_an_element_that_is_no_row_fails_alone(tmp_path):
    path = tmp_path / "rows.db"
    source = Stream()
    dead = Stream()
    failed = dead.map(lambda failure: str(failure.exception).splitlines()[0]).sink_to_list()
    source.to_sql(f"sqlite:{path}", "rows", create=True, on_error=dead)
    source.emit_many([{"x": 1}, {"x": [1]}, 7, {}, {"x": 2}])
    source.drain()
    assert rows(path, "SELECT x FROM rows") == [(1,), (2,)]
    assert len(failed) == 3
    assert "column `x`: a list cannot be stored" in failed[0]
    assert "no row can be made of a int" in failed[1]
    assert "the row has no columns" in failed[2]


def test_errors_hide_secrets(tmp_path):
    with pytest.raises(ValueError, match="`mysql:…` is no database") as error:
        Database("mysql://me:secret@localhost/x")
    assert "secret" not in str(error.value)
    with pytest.raises(PipelineError, match="its directory does not exist"):
        Database(f"sqlite:{tmp_path}/none/x.db")
    with pytest.raises(TypeError, match="`database` is a Database or its URL"):
        Stream().to_sql(7, "x")


def test_a_batch_collects_while_another_is_written():
    batches = []

    async def main():
        written = asyncio.Event()

        async def write(batch):
            batches.append(batch)
            await written.wait()

        source = Stream(asynchronous=True)
        source.sink_batches(write, max_len=3)
        await source.emit(0)
        while not batches:
            await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(source.emit(x)) for x in range(1, 6)]
        await asyncio.wait(waiting[:3])
        assert not any(future.done() for future in waiting[3:])
        written.set()
        await asyncio.gather(*waiting)
        await source.drain()

    asyncio.run(main())
    assert batches == [[0], [1, 2, 3], [4, 5]]


def test_the_event_feed_into_a_database(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", FEED, tmp_path / "feed.db"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "300 edits, of which 100 by bots\n"
    # Run again: all rows exist already.
    done = subprocess.run(
        [sys.executable, "-I", FEED, tmp_path / "feed.db"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "300 edits, of which 100 by bots\n", done.stderr


def count_elsewhere(path):
    """The number of rows of a table, as another process sees them."""
    program = f"import sqlite3; print(sqlite3.connect({str(path)!r}).execute('SELECT count(*) FROM t').fetchone()[0])"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed there")
def test_rows_stay_visible_when_sqlite3_has_looked_at_the_file(tmp_path):
    path = tmp_path / "rows.db"
    source = Stream()
    source.to_sql(f"sqlite:{path}", "t", create=True)
    for number in range(3):
        source.emit({"a": number})
        source.until_idle()
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (number + 1,)
        # It takes itself for the last user of the file, and removes the log of transactions.
        connection.close()
    assert count_elsewhere(path) == 3
    source.drain()
    assert count_elsewhere(path) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are listed in /proc")
@pytest.mark.parametrize("is_open", [False, True])
def test_a_second_copy_of_sqlite_is_reported(tmp_path, caplog, is_open):
    path = tmp_path / "rows.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    if not is_open:
        connection.close()
    source, other = Stream(), Stream()
    for stream in (source, other):
        stream.to_sql(f"sqlite:{path}", "t")
        stream.emit({"a": 1})
    other.drain()
    source.emit({"a": 2})
    source.drain()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["rows.db is also open in this program" in text for text in said] == [True, True] * is_open
    connection.close()
