"""Positions of sources, stored beside the files their elements are written to."""

from __future__ import annotations

import asyncio

import pytest

from support import PATIENCE
from thalweg import Stream
from thalweg.sinks import Files


def copy(log, out, **limits):
    """Write each line of a file as often as it says into files; return the source's position."""

    async def main():
        files = Files(out)
        position = files.position("log")
        lines = Stream.from_textfile(log, position=position, asynchronous=True)
        node = lines.map(lambda line: [int(line)] * int(line)).flatten().to_jsonl(files, **limits)
        lines.start()

        async def arrive():
            while position.value != str(log.stat().st_size):
                # The last file is renamed only at the end.
                if lines.counters()["sent"] and not position.in_flight:
                    break
                await asyncio.sleep(0.001)

        await asyncio.wait_for(arrive(), PATIENCE)
        await lines.drain()
        del node
        return position.value

    return asyncio.run(main())


def test_a_source_resumes_after_the_written_files(tmp_path):
    log, out = tmp_path / "log", tmp_path / "part-{number}.jsonl"
    log.write_text("1\n2\n")
    assert copy(log, out, max_rows=1) == "4"
    (tmp_path / "part-000000.jsonl").unlink()
    log.write_text("1\n2\n1\n")
    assert copy(log, out, max_rows=1) == "6"
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert names == ["log", "part-000001.jsonl", "part-000002.jsonl", "part-000003.jsonl"]
    assert (tmp_path / "part-000003.jsonl").read_text() == "1\n"


def test_rows_already_in_files_are_not_written_again(tmp_path):
    log, out = tmp_path / "log", tmp_path / "{number}.jsonl"
    log.write_text("3\n")
    record = '{"next": 1, "positions": {"log": {"number": 0, "value": null, "rows": "1x2,"}}}'
    (tmp_path / ".{number}.jsonl.position").write_text(record)
    assert copy(log, out, max_rows=1) == "2"
    assert [path.name for path in sorted(tmp_path.glob("0*"))] == ["000001.jsonl"]


def test_an_invalid_place_for_positions_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"need `\{number\}`"):
        Files(tmp_path / "all.txt").position("log")
    with pytest.raises(ValueError, match="no other braces"):
        Files(tmp_path / "{hour}.txt")
    with pytest.raises(TypeError, match="Files: `path` is a name or a path, not 7"):
        Files(7)
    (tmp_path / ".{number}.txt.position").write_text("?")
    with pytest.raises(ValueError, match="move it away to start over"):
        Files(tmp_path / "{number}.txt").position("log")
