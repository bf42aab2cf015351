"""Rows into a database."""

from __future__ import annotations

import sqlite3
import tempfile
from itertools import count as numbers
from pathlib import Path

from measure import Case, Contender, Target

ROWS = 50_000


def sqlite() -> Case:
    """Rows of a number and a text into a file, a thousand per transaction."""
    directory = Path(tempfile.mkdtemp())
    files = (directory / f"{number}.db" for number in numbers())

    def rows(count: int) -> list[tuple[int, str]]:
        return [(number, "what a river carries") for number in range(count)]

    def driver(count: int) -> None:
        connection = sqlite3.connect(next(files))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE carried (id INTEGER, text TEXT)")
        all_rows = rows(count)
        for begin in range(0, count, 1000):
            connection.executemany("INSERT INTO carried VALUES (?, ?)", all_rows[begin : begin + 1000])
            connection.commit()
        connection.close()

    def thalweg(count: int) -> None:
        from thalweg import Stream

        source = Stream()
        url = f"sqlite:{next(files)}"
        source.to_sql(url, "carried", columns=["id", "text"], create=True, max_len=1000)
        source.emit_many(rows(count))
        source.drain()

    return Case(
        "rows into SQLite, one",
        [Contender("sqlite3", driver, ROWS), Contender("thalweg", thalweg, ROWS)],
        [Target("sqlite3", 1 / 0.9)],
    )
