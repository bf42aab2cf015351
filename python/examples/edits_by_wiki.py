"""A feed in windows of ten seconds: the number of edits per wiki, on a virtual clock."""

from __future__ import annotations

from collections import Counter

from thalweg import Stream, VirtualClock

#: Time of each edit, in seconds, and its wiki.
EDITS = [(1, "en"), (4, "de"), (9, "en"), (12, "fr"), (13, "fr"), (31, "en"), (38, "de")]


def main() -> None:
    """Send each edit at its time, and print the windows."""
    clock = VirtualClock()
    edits = Stream(loop=clock)
    edits.timed_window("10s").map(Counter).sink(lambda wikis: print(f"{clock.time():.0f} s:", dict(wikis)))
    for at, wiki in EDITS:
        clock.advance(at - clock.time())
        edits.emit(wiki)
    edits.drain()


if __name__ == "__main__":
    main()
