"""`cargo xtask bench` with `--python`, `--tasks`, `--parallel` and so on: thalweg and peers, side by side."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import Case, medians, report


def _cases(kind: str) -> dict[str, Callable[[], Case]]:
    if kind == "--tasks":
        from task_cases import CASES

        return CASES
    if kind == "--parallel":
        from parallel_cases import CASES

        return CASES
    if kind == "--frames":
        from frame_cases import CASES

        return CASES
    if kind == "--io":
        from io_cases import CASES

        return CASES
    if kind == "--brokers":
        from broker_cases import CASES

        return CASES
    from cases import CASES

    return CASES


def main() -> int:
    kinds = ("--tasks", "--parallel", "--frames", "--io", "--brokers")
    kind = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in kinds else "--python"
    cases = _cases(kind)
    # Leftovers of one case, above all clusters, would slow down the next.
    alone = kind != "--python"
    parser = argparse.ArgumentParser(
        prog=f"cargo xtask bench {kind}",
        description="Nanoseconds for one element; all take turns in each round.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which to run: {', '.join(cases)}; all if left out")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds (default: 15)")
    options = parser.parse_args(sys.argv[2:] if alone else None)
    unknown = [name for name in options.cases if name not in cases]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; the cases are {', '.join(cases)}")
    if options.rounds < 1:
        parser.error(f"expected at least one round, and not {options.rounds}")
    if not (alone and len(options.cases) == 1):
        machine = f"{platform.machine()}, {platform.system()}"
        print(f"Python {platform.python_version()}, {machine}; {options.rounds} rounds", flush=True)
    names = options.cases or list(cases)
    missed = []
    for name in names:
        if alone and len(names) > 1:
            command = [sys.executable, str(Path(__file__).parent), kind, "--rounds", str(options.rounds), name]
            if subprocess.run(command, check=False).returncode:
                missed.append(name)
            continue
        case = cases[name]()
        if not report(case, medians(case, options.rounds)):
            missed.append(name)
    if alone and len(names) == 1:
        return 1 if missed else 0
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nevery target was reached")
    return 0


if __name__ == "__main__":
    sys.exit(main())
