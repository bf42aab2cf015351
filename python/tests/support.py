"""Shared test helpers."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: In seconds; enough for a process on a busy machine. Only a hang takes that long.
PATIENCE = 60

#: Runs the interpreter with these arguments, in an empty directory.
Python = Callable[..., "subprocess.CompletedProcess[str]"]


def without_progress(errors: str) -> str:
    """Output of a program, without reports of waits longer than a second."""
    told = r"^(delivering .*; Ctrl-C leaves at once, without them|emit has waited .* interrupts the main thread)\n"
    return re.sub(told, "", errors, flags=re.MULTILINE)


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end of a program; return the rest of its stdout and stderr.

    ``communicate`` would lose data that arrived together with the last line read.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    too_long = threading.Timer(PATIENCE, process.kill)
    too_long.start()
    try:
        output = process.stdout.read()
        errors = process.stderr.read()
        process.wait()
    finally:
        too_long.cancel()
    return output, without_progress(errors)


def until(condition: Callable[[], T]) -> T:
    """Poll a condition for a minute at most; return its value once true."""
    end = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.005)
    return result
