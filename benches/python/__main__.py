"""`cargo xtask bench --python`: thalweg in Python and its peers, side by side."""

from __future__ import annotations

import argparse
import platform
import sys

from cases import CASES
from measure import medians, report


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="cargo xtask bench --python",
        description="Nanoseconds for one element; all take turns in each round.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which to run: {', '.join(CASES)}; all if left out")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds (default: 15)")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; the cases are {', '.join(CASES)}")
    if options.rounds < 1:
        parser.error(f"expected at least one round, and not {options.rounds}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}; {options.rounds} rounds")
    missed = []
    for name in options.cases or CASES:
        case = CASES[name]()
        if not report(case, medians(case, options.rounds)):
            missed.append(name)
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nevery target was reached")
    return 0


if __name__ == "__main__":
    sys.exit(main())
