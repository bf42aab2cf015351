"""Lines of a file, through a function into another file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from measure import Case, Contender, Target

from io_cases.waiting import Counting

LINES = 200_000


def text() -> Case:
    """Lines of about fifty bytes."""
    directory = Path(tempfile.mkdtemp())

    def file_of(count: int) -> Path:
        # One file per count: streamz keeps reading the rest of a file.
        path = directory / str(count)
        if not path.exists():
            path.write_text("".join(f"{line}: what a river carries, it carries to the sea\n" for line in range(count)))
        return path

    def loop(count: int) -> None:
        sink = Counting(count)
        with file_of(count).open() as file:
            for line in file:
                sink(len(line))

    def run(library: Any, count: int) -> None:
        sink = Counting(count)
        source = library.from_textfile(str(file_of(count)), poll_interval=0.001)
        source.map(len).sink(sink)
        source.start()
        sink.wait()
        source.stop()

    def thalweg(count: int) -> None:
        from thalweg import Stream

        run(Stream, count)

    def streamz(count: int) -> None:
        from streamz import Stream

        run(Stream, count)

    return Case(
        "text file -> map -> sink, one line",
        [Contender("loop", loop, LINES), Contender("thalweg", thalweg, LINES), Contender("streamz", streamz, 20_000)],
        [Target("loop", 2), Target("streamz", 1 / 30)],
    )
