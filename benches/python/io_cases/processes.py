"""The output of a process, line by line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from measure import Case, Contender, Target

from io_cases.waiting import Counting

LINES = 40_000


def process() -> Case:
    """A process that writes lines, and ends."""

    def command(count: int) -> list[str]:
        return [sys.executable, "-S", "-c", f"for x in range({count}): print(x)"]

    def loop(count: int) -> None:
        sink = Counting(count)
        with subprocess.Popen(command(count), stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                sink(len(line))

    def run(library: Any, count: int) -> None:
        sink = Counting(count)
        source = library.from_process(command(count))
        source.map(len).sink(sink)
        source.start()
        sink.wait()

    def thalweg(count: int) -> None:
        from thalweg import Stream

        run(Stream, count)

    def streamz(count: int) -> None:
        from streamz import Stream

        run(Stream, count)

    return Case(
        "process -> map -> sink, one of 40,000 lines",
        [Contender("loop", loop, LINES), Contender("thalweg", thalweg, LINES), Contender("streamz", streamz, LINES)],
        [Target("streamz", 1)],
    )
