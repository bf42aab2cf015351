"""Runs a pipeline on live input and sums up what came through it.

Without --input and --url it samples this machine's processor and network counters, for ten seconds. Ctrl-C ends it
early: elements in flight are finished, and the result is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from thalweg import Database, Stream


class Counters(NamedTuple):
    """Counters since the start of the machine, in hundredths of seconds and in bytes."""

    busy: int
    total: int
    received: int
    sent: int

    def __sub__(self, before: Counters) -> Counters:
        return Counters(*(now - then for now, then in zip(self, before, strict=True)))

    def __str__(self) -> str:
        load = 100 * self.busy / self.total if self.total else 0
        return f"{load:5.1f} % busy, {self.received:>10,} bytes in, {self.sent:>10,} bytes out"


def read_counters() -> Counters:
    """Read the current counters of processor and network."""
    times = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    idle = times[3] + times[4]
    interfaces = [line.partition(":")[2].split() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    received = sum(int(fields[0]) for fields in interfaces)
    sent = sum(int(fields[8]) for fields in interfaces)
    return Counters(sum(times) - idle, sum(times), received, sent)


def last_number(line: str) -> float:
    """Return the number in the last field of a line."""
    fields = line.replace(",", " ").split()
    if not fields:
        raise ValueError("the line is empty")
    return float(fields[-1])


def watch_machine(seconds: float) -> None:
    """Show how busy this machine is, second by second."""
    readings = Stream.from_periodic(read_counters, poll_interval=0.1)
    windows = readings.sliding_window(11, return_partial=False)
    last_second = windows.map(lambda window: window[-1] - window[0])
    last_second.latest().rate_limit(0.5).sink(lambda second: print(second, flush=True))
    peak = last_second.accumulate(max, start=Counters(0, 0, 0, 0)).sink_to_list()
    every = readings.sink_to_list()
    run(readings, threading.Event(), seconds)
    if len(every) > 1:
        print(f"\n{len(every)} readings\naltogether  {every[-1] - every[0]}")
    if peak:
        print(f"at most     {peak[-1]}   in one second")


def read_lines(path: str, seconds: float | None) -> None:
    """Sum the sizes of lines, and the numbers in their last fields."""
    ended = threading.Event()
    source = Stream.from_iterable(lines_of(path, ended))
    lines = source.buffer(100)
    numbers = lines.map(last_number, on_error="skip")
    sizes = lines.map(len).accumulate(lambda state, size: (state[0] + 1, state[1] + size), start=(0, 0))
    sums = numbers.accumulate(lambda state, number: (state[0] + 1, state[1] + number), start=(0, 0.0))
    found = sizes.sink_to_list(), sums.sink_to_list()
    run(source, ended, seconds)
    (lines_seen, characters), (numbers_seen, total) = (kept[-1] if kept else (0, 0) for kept in found)
    print(f"{lines_seen} lines, {characters} characters")
    print(f"{numbers_seen} numbers, {total:g} altogether; {lines_seen - numbers_seen} lines without one set aside")


def lines_of(path: str, ended: threading.Event) -> Iterator[str]:
    """Yield the lines of a file, or of standard input, and signal their end."""
    try:
        if path == "-":
            yield from (line.rstrip("\n") for line in sys.stdin)
        else:
            with open(path, encoding="utf-8", errors="replace") as file:
                yield from (line.rstrip("\n") for line in file)
    finally:
        ended.set()


class Window(NamedTuple):
    """The edits of some seconds, by wiki."""

    edits: Counter[str]
    seconds: float

    def __str__(self) -> str:
        lines = [f"{self.edits.total() / self.seconds:9.1f} edits a second in {self.seconds:.1f} s"]
        lines += [f"{edits / self.seconds:9.1f} {wiki}" for wiki, edits in self.edits.most_common(10)]
        if len(self.edits) > 10:
            lines.append(f"          and {len(self.edits) - 10} more")
        return "\n".join(lines)

    def rows(self) -> list[dict[str, object]]:
        """Return a row for each wiki."""
        return [{"wiki": wiki, "edits": edits, "seconds": self.seconds} for wiki, edits in self.edits.items()]


def follow(url: str, seconds: float | None) -> None:
    """Count the edits of a feed by wiki, in windows of ten seconds, which go to a database."""
    path = Path(tempfile.gettempdir(), f"thalweg-demo-{os.getpid()}.db")
    begin = time.monotonic()

    def count(wikis: tuple[str, ...]) -> Window:
        nonlocal begin
        before, begin = begin, time.monotonic()
        return Window(Counter(wikis), begin - before)

    failures = Stream()
    failures.sink(lambda failure: print("set aside:", failure, flush=True))
    # A connection that breaks is a failure of the source, which connects again.
    events = Stream.from_sse(local_feed() if url == "local" else url, on_error=failures)
    wikis = events.map(lambda event: json.loads(event.data)["wiki"], on_error=failures)
    windows = wikis.timed_window("10s").map(count)
    windows.sink(lambda window: print(window, flush=True))
    windows.map(Window.rows).flatten().to_sql(Database(f"sqlite:{path}"), "windows", create=True)
    run(events, threading.Event(), seconds)
    database = sqlite3.connect(path)
    edits, known = database.execute("SELECT coalesce(sum(edits), 0), count(DISTINCT wiki) FROM windows").fetchone()
    print(f"{edits} edits of {known} wikis, in {path}")
    database.close()


def local_feed() -> str:
    """Serve this machine's events on loopback, for a machine without a network, and return the URL.

    Each counter of a processor or a network interface that has moved is an event, with its name in place of a wiki's.
    """

    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            before = machine_counters()
            try:
                while True:
                    time.sleep(0.05)
                    now = machine_counters()
                    for name in (name for name, count in now.items() if count != before.get(name)):
                        self.wfile.write(f"data: {json.dumps({'wiki': name})}\n\n".encode())
                    before = now
            except OSError:
                # The reader has gone.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def machine_counters() -> dict[str, int]:
    """Return the busy time of each processor, and the packets of each network interface."""
    processors = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    counters = {name: sum(map(int, times[:3])) for name, *times in processors if name[:3] == "cpu" != name}
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, counts = line.partition(":")
        fields = counts.split()
        counters[name.strip()] = int(fields[1]) + int(fields[9])
    return counters


def run(source: Stream, ended: threading.Event, seconds: float | None) -> None:
    """Run a pipeline until its input ends, its time is over, or Ctrl-C; then finish elements in flight."""
    source.start()
    try:
        ended.wait(seconds)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
    source.drain(10)


def positive(text: str) -> float:
    """Parse a positive number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"expected a number above zero, and not {text!r}")
    return seconds


def main() -> int:
    """Run the command line, and return the exit code."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--input", metavar="PATH", help="read the lines of this file, or of standard input if it is -")
    parser.add_argument(
        "--url",
        help="follow a feed of server-sent events whose data are JSON with a field `wiki`, such as "
        "https://stream.wikimedia.org/v2/stream/recentchange; `local` is a feed of this machine's events",
    )
    parser.add_argument("--seconds", metavar="N", type=positive, help="end after N seconds")
    options = parser.parse_args()
    if options.input is not None and options.url is not None:
        parser.error("--input and --url exclude each other")
    if options.url is not None and options.url != "local":
        follow(options.url, options.seconds)
    elif options.input is None:
        if not Path("/proc/stat").exists():
            parser.error("this machine has no /proc to read counters from; give an --input")
        if options.url is None:
            watch_machine(options.seconds or 10.0)
        else:
            follow("local", options.seconds)
    else:
        if options.input != "-" and not Path(options.input).is_file():
            parser.error(f"there is no file {options.input!r}")
        read_lines(options.input, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
