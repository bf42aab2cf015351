"""The lines of a file, through a function into another."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from measure import Case, Contender, Target

from io_cases.waiting import Counting

LINES = 200_000


def text() -> Case:
    """Lines of about fifty bytes."""
    path = Path(tempfile.mkdtemp()) / "lines"
    with path.open("w") as file:
        file.writelines(f"{line}: what a river carries, it carries to the sea\n" for line in range(LINES))

    def loop(count: int) -> None:
        sink = Counting(count)
        with path.open() as file:
            for _, line in zip(range(count), file, strict=False):
                sink(len(line))

    def run(library: Any, count: int) -> None:
        sink = Counting(count)
        source = library.from_textfile(str(path), poll_interval=0.001)
        source.map(len).sink(lambda x: sink(x) if sink.left > 0 else None)
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
