"""A clock in the terminal: the time, once a second, on the second. Ctrl-C ends it."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime
from threading import Event

from thalweg import Stream


def show(now: datetime) -> None:
    """Overwrite the previous time."""
    print(f"\r{now:%H:%M:%S}", end="", flush=True)


def main(seconds: int) -> None:
    """Show the time for a number of seconds."""
    times = Stream.from_schedule("* * * * * *")
    enough = Event()
    times.sink(show)
    shown = times.accumulate(lambda count, _: count + 1, start=0)
    shown.filter(lambda count: count == seconds).sink(lambda count: enough.set())
    times.start()
    with suppress(KeyboardInterrupt):
        enough.wait()
    times.drain()
    print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24 * 60 * 60)
