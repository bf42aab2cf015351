"""Writes what is derived from the operators, which are declared once: by a class in Python, by a function in Rust.

``--rust`` writes only what the extension is built of, before it is built. With ``--check`` nothing is written; what is
not up to date is named, and the exit code is 1.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import methods
import pyfunctions

PACKAGE = Path("python") / "thalweg"

#: Files that are derived, and what makes their text.
RUST: dict[Path, Callable[[], str]] = {
    Path("crates") / "thalweg-python" / "src" / "ops" / "mod.rs": pyfunctions.registration,
    PACKAGE / "_thalweg" / "ops.pyi": pyfunctions.stub,
}
PYTHON: dict[Path, Callable[[], str]] = {
    **{PACKAGE / room / "__init__.py": partial(methods.package, room) for room in ("ops", "sinks", "sources")},
    PACKAGE / "_methods.pyi": methods.methods,
}


def formatted(text: str, path: Path) -> str:
    """The text as the formatters want it."""
    if path.suffix == ".rs":
        return _through(["rustfmt", "--edition", "2024"], text)
    ruff = str(Path(sys.executable).with_name("ruff"))
    for command in (["check", "--fix-only", "--quiet", "--select", "I"], ["format", "--quiet"]):
        text = _through([ruff, *command, "--stdin-filename", str(path), "-"], text)
    return text


def _through(command: list[str], text: str) -> str:
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True, cwd=pyfunctions.ROOT)
    return done.stdout


def main() -> int:
    """Write the files, or check that they are up to date."""
    is_check = "--check" in sys.argv[1:]
    derived = RUST if "--rust" in sys.argv[1:] else {**RUST, **PYTHON}
    stale = []
    for name, derive in derived.items():
        path, text = pyfunctions.ROOT / name, formatted(derive(), name)
        if path.read_text() != text:
            stale.append(name)
            if not is_check:
                path.write_text(text)
    for name in stale if is_check else ():
        print(f"{name} is not what its sources say; run `cargo xtask stubs`", file=sys.stderr)
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
