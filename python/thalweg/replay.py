"""``python -m thalweg replay``: replays dead letters."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys

from thalweg.dead_letters import DeadLetter, DeadLetters
from thalweg.errors import logger
from thalweg.runtime import loops
from thalweg.sources import from_dead_letters
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def find_stream(target: str) -> Stream[Any]:
    """Return the stream of a program, named by ``module:name``.

    Examples
    --------
    >>> from thalweg.replay import find_stream
    >>> find_stream("math:pi")
    Traceback (most recent call last):
    ValueError: math:pi is a float, not a stream
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise ValueError(f"a target is MODULE:STREAM, and not {target!r}")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, Stream):
        raise ValueError(f"{target} is a {type(found).__name__}, not a stream")
    return found


def replay(place: str, target: str, timeout: float) -> int:
    """Emit the elements of dead letters into a stream of a program; return the exit code.

    Elements stored for display only cannot be emitted: they are reported, and count as replayed. Errors that are
    logged, such as that there are no letters of that name, make the code 1.
    """
    # No handler: with one, `logging` would not print errors by default any more.
    errors = _Errors()
    logger().addFilter(errors)
    try:
        unsent = _replay(place, target, timeout)
    finally:
        logger().removeFilter(errors)
    return 1 if unsent or errors.occurred else 0


class _Errors(logging.Filter):
    """Lets everything through, and notes whether errors were logged."""

    occurred = False

    def filter(self, record: logging.LogRecord) -> bool:
        self.occurred |= record.levelno >= logging.ERROR
        return True


def _replay(place: str, target: str, timeout: float) -> int:
    """Return the number of letters that cannot be sent."""
    # The program's own modules, as for a script in this directory.
    sys.path.insert(0, os.getcwd())
    stream = find_stream(target)
    letters = from_dead_letters(DeadLetters(place), asynchronous=stream.asynchronous)
    counts = {"sent": 0, "shown": 0}

    def can_be_sent(letter: DeadLetter) -> bool:
        if letter.shown is None:
            counts["sent"] += 1
            return True
        counts["shown"] += 1
        print(f"cannot be sent: {letter}", file=sys.stderr)  # noqa: T201
        return False

    letters.filter(can_be_sent).map(lambda letter: letter.element).connect(stream)
    try:
        if stream.asynchronous:
            asyncio.run(_run(letters, timeout))
        else:
            letters.start()
            loop = letters._event_loop
            if loop is not None:
                loops.start(loop, letters.finished).result()
            letters.drain(timeout)
    except (KeyboardInterrupt, SystemExit):
        if not stream.asynchronous:
            # Delivers what has been read, and stores the position. A second signal ends it.
            letters.drain(timeout)
        raise
    finally:
        print(f"sent again: {counts['sent']}; cannot be sent: {counts['shown']}", file=sys.stderr)  # noqa: T201
    return counts["shown"]


async def _run(letters: from_dead_letters, timeout: float) -> None:
    letters.start()
    await letters.finished()
    await letters.drain(timeout)
