"""The output of a process, line by line."""

from __future__ import annotations

import logging
import subprocess
import sys
import time

from measure import Case, Contender, Target

from io_cases.waiting import Counting

LINES = 40_000

#: Nanoseconds without a line after which no more are expected.
QUIET = 1_000_000_000


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

    def thalweg(count: int) -> None:
        from thalweg import Stream

        sink = Counting(count)
        source = Stream.from_process(command(count))
        source.map(len).sink(sink)
        source.start()
        sink.wait()

    def streamz(count: int) -> float:
        from streamz import Stream

        # streamz logs the end of the process.
        logging.disable(logging.ERROR)
        # The last lines of a process may be lost: only those received are timed.
        times: list[int] = []
        begin = time.perf_counter_ns()
        source = Stream.from_process(command(count))
        source.map(len).sink(lambda _: times.append(time.perf_counter_ns()))
        source.start()
        while not times or (len(times) < count and time.perf_counter_ns() - times[-1] < QUIET):
            time.sleep(0.01)
        return (times[-1] - begin) / len(times)

    return Case(
        "process -> map -> sink, one of 40,000 lines",
        [Contender("loop", loop, LINES), Contender("thalweg", thalweg, LINES), Contender("streamz", streamz, LINES)],
        [Target("streamz", 1)],
    )
