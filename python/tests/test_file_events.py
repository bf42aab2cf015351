"""Files are read when the system reports a change, long before the poll interval is over."""

from __future__ import annotations

import os
import sys

import pytest

from support import until
from thalweg import Stream, VirtualClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="changes may be reported later on other systems")


def test_lines_and_file_names_arrive_when_they_are_written(tmp_path):
    log = tmp_path / "log"
    log.touch()
    names = Stream.filenames(tmp_path, poll_interval="1h")
    found = names.map(os.path.basename).sink_to_list()
    lines = Stream.from_textfile(log, poll_interval="1h")
    read = lines.sink_to_list()
    names.start()
    lines.start()
    until(lambda: found == ["log"])
    for number in range(3):
        with log.open("a") as file:
            print(number, file=file)
        until(lambda count=number + 1: len(read) == count)
        (tmp_path / f"{number}.csv").touch()
        until(lambda count=number + 2: len(found) == count)
    names.drain()
    lines.drain()
    assert read == ["0\n", "1\n", "2\n"]
    assert found == ["log", "0.csv", "1.csv", "2.csv"]


def test_on_a_virtual_clock_file_events_are_ignored(tmp_path):
    clock = VirtualClock()
    names = Stream.filenames(tmp_path, poll_interval="1s", loop=clock, start=True)
    found = names.map(os.path.basename).sink_to_list()
    clock.advance("10ms")
    (tmp_path / "a").touch()
    clock.advance("500ms")
    assert found == []
    clock.advance("1s")
    assert found == ["a"]
