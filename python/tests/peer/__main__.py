"""Runs streamz's own tests, from its wheel, on thalweg.

    python python/tests/peer [--plain] [--unoptimized] [PYTEST ARGUMENTS]...

`streamz` is an alias of thalweg here, except `streamz.tests` and `streamz.utils_test`, which are the peer's own files.
With `--plain` it is the real streamz: tests that fail then fail for reasons unrelated to thalweg. With
`--unoptimized`, tests are skipped whose time bounds are too tight for an unoptimized build of thalweg.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from excuses import Attempts, Excuses, Repeats, Skips

HERE = Path(__file__).resolve().parent

#: Tests with time bounds below 4 ms.
MOMENTS = ["test_core::test_map_async", "test_core::test_map_async_tornado"]

MODULES = [
    "test_core",
    "test_batch",
    "test_plugins",
    "test_graph",
    "test_sinks",
    "test_sources",
    "test_dask",
]

#: Tests of data frames, which are not part of the package `streamz.tests`.
FRAMES = ["test_dataframes", "test_dataframe_utils"]


class TheirTests(MetaPathFinder):
    """Import hook that finds the peer's tests inside the aliased package."""

    def __init__(self, package: Path) -> None:
        self.package = package

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname in ("streamz.tests", "streamz.utils_test"):
            return PathFinder.find_spec(fullname, [str(self.package)])
        if fullname.startswith("streamz.tests."):
            return PathFinder.find_spec(fullname, [str(self.package / "tests")])
        return None


def main(arguments: list[str]) -> int:
    package = Path(str(distribution("streamz").locate_file("streamz")))
    plain = "--plain" in arguments
    if not plain:
        become_streamz(package)
    # Tests start `python`, which has to be this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    tests = package / "tests"
    return pytest.main(
        [
            f"--config-file={HERE / 'pytest.ini'}",
            f"--rootdir={package.parent}",
            # The parent has `streamz/__init__.py`, which thalweg replaces.
            f"--confcutdir={tests}",
            # Needs a public server on the internet.
            f"--deselect={tests.relative_to(package.parent)}/test_sinks.py::test_mqtt_roundtrip",
            # Rolling aggregations with more windows take minutes; `-m slow` runs them.
            *(() if "-m" in arguments else ("-m", "not slow")),
            *(argument for argument in arguments if argument not in ("--plain", "--unoptimized")),
            *(str(tests / f"{module}.py") for module in MODULES),
            *(str(package / "dataframe" / "tests" / f"{module}.py") for module in FRAMES),
        ],
        plugins=[
            Excuses(HERE / "excused.txt", apply=not plain),
            Skips(needs() | moments("--unoptimized" in arguments)),
            Repeats(),
            Attempts(),
        ],
    )


def needs() -> dict[str, str]:
    """Tests whose requirements are missing on this machine."""
    from thalweg import Stream

    if shutil.which("dot") is not None or Stream()._png() is not None:
        return {}
    return {"test_graph::test_create_file": "neither graphviz's `dot` nor a font is installed"}


def moments(is_unoptimized: bool) -> dict[str, str]:
    """Tests whose time bounds an unoptimized build exceeds."""
    return dict.fromkeys(MOMENTS if is_unoptimized else [], "expects a moment within 4 ms: thalweg is not optimized")


def become_streamz(package: Path) -> None:
    from thalweg import install_as

    install_as("streamz")
    sys.meta_path.insert(0, TheirTests(package))
    spec = find_spec("streamz")
    if spec is None or spec.origin is None or Path(spec.origin).is_relative_to(package):
        raise SystemExit("streamz is still streamz, and not thalweg")


if __name__ == "__main__":
    code = int(main(sys.argv[1:]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Exits without draining the pipelines left by tests, some of which are stuck on purpose.
    os._exit(code)
