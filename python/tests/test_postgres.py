"""PostgreSQL, on a server started for the tests if it is installed."""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from support import PATIENCE
from thalweg import Database, PipelineError, Stream

PROGRAMS = [shutil.which("initdb"), *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
INITDB = next((os.path.realpath(program) for program in PROGRAMS if program), None)

pytestmark = pytest.mark.skipif(INITDB is None, reason="there is no `initdb`, of PostgreSQL, on this machine")


@pytest.fixture(scope="module")
def url():
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        yield from serve(directory)


def serve(directory):
    options = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:
        # The server refuses to run as root.
        nobody = 65534
        os.chown(directory, nobody, -1)
        options |= {"user": nobody, "group": nobody}
    data, programs = str(Path(directory) / "data"), Path(INITDB).parent
    made = ["initdb", "--no-sync", "--auth=trust", "--username=me", "--encoding=UTF8", "--pgdata", data]
    subprocess.run([str(programs / made[0]), *made[1:]], check=True, timeout=PATIENCE, **options)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = [f"unix_socket_directories={directory}", "listen_addresses=127.0.0.1", "fsync=off", f"port={port}"]
    command = [str(programs / "postgres"), "-D", data, *(part for setting in settings for part in ("-c", setting))]
    server = subprocess.Popen(command, **options)
    try:
        url = f"postgres://me:secret@127.0.0.1:{port}/postgres"
        wait_for(url)
        yield url
    finally:
        # An immediate shutdown: its data is no longer needed.
        server.send_signal(signal.SIGQUIT)
        server.wait(PATIENCE)


def wait_for(url):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Database(url)
        except PipelineError:
            assert time.monotonic() < end
            time.sleep(0.02)


def read(url, query, cursor):
    async def main():
        source = Stream.from_sql(url, query, cursor, asynchronous=True)
        L = source.sink_to_list()
        source.start()
        await source.finished()
        return L

    return asyncio.run(main())


def test_values_of_each_type_are_read_back(url):
    row = {"id": 2**62, "b": -0.5, "c": "ä\"'", "d": b"\0\xff", "f": True}
    exact = {"g": Decimal("0.10"), "h": UUID(int=1), "i": datetime.date(2026, 1, 2)}
    source = Stream()
    source.to_sql(url, "values", key="id", create=True)
    source.emit(row | exact)
    source.drain()
    found = read(url, 'SELECT * FROM "values"', "id")
    assert found == [row | {"g": "0.10", "h": str(UUID(int=1)), "i": "2026-01-02"}]


def test_a_row_replaces_the_one_with_its_key_and_a_rejected_row_fails_alone(url):
    source = Stream()
    words = source.to_sql(url, "words", key="word", create=True, on_error="skip")
    source.emit({"word": "river", "length": 0})
    source.emit_many([{"word": "bed", "length": 3}, {"word": "bad", "length": "many"}, {"word": "river", "length": 5}])
    source.drain()
    assert read(url, "SELECT * FROM words", "word") == [{"word": "bed", "length": 3}, {"word": "river", "length": 5}]
    assert words.counters()["failed"] == 1


def test_errors_name_a_remedy_and_hide_the_password(url):
    for wrong, remedy in [
        (url.replace("/postgres", "/nowhere").replace(":/nowhere", ":/"), "make the database first"),
        ("postgres://me:secret@127.0.0.1:1/x", "is the server running there"),
    ]:
        with pytest.raises(PipelineError, match=remedy) as raised:
            Database(wrong)
        assert "secret" not in str(raised.value)
    assert "secret" not in repr(Database(url))


COPY = """
import os, sys
from thalweg import Database, Stream
url, log = sys.argv[1:]
database = Database(url)
position = database.position("log")
lines = Stream.from_textfile(log, position=position, poll_interval="5ms")
lines.map(lambda line: {"line": int(line)}).to_sql(database, "lines", create=True)
lines.start()
while position.value != str(os.path.getsize(log)):
    pass
"""


def test_a_repeatedly_killed_program_writes_each_line_once(url, tmp_path):
    log, program = tmp_path / "log", tmp_path / "copy.py"
    log.write_text("".join(f"{line}\n" for line in range(60_000)))
    program.write_text(COPY)
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-I", str(program), url, str(log)])
        try:
            assert process.wait(0.25 + kills / 20) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 0
    assert [row["line"] for row in read(url, "SELECT line FROM lines", "line")] == list(range(60_000))
