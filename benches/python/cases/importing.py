"""Duration of `import` in a new interpreter, beyond one that imports nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from measure import Case, Contender


def _interpreter(program: str) -> Callable[[int], None]:
    def run(n: int) -> None:
        for _ in range(min(n, 1)):
            subprocess.run([sys.executable, "-I", "-c", program], check=True)

    return run


def importing() -> Case:
    return Case(
        "a new interpreter that imports; thalweg is to take 30 ms more than nothing, at most",
        [
            Contender("nothing", _interpreter("pass"), 1),
            Contender("thalweg", _interpreter("import thalweg"), 1),
            Contender("streamz", _interpreter("import streamz"), 1),
        ],
        [],
        unit="ms",
    )
