"""What is derived from Rust's functions that make operators: the list of them, and their stub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
OPS = ROOT / "crates" / "thalweg-python" / "src" / "ops"

#: A function for Python: its signature as Python has it, if that is said, name, arguments and what it returns.
_FUNCTION = re.compile(
    r"#\[pyfunction\]\n(?:#\[pyo3\(signature = \((?P<signature>.*?)\)\)\]\n)?"
    r"pub\(super\) fn (?P<name>\w+)\((?P<arguments>.*?)\) -> (?P<returned>.*?) \{",
    re.DOTALL,
)

#: Python's types of Rust's. What is behind a reference, `Bound` or `Py` has lost that by then.
_TYPES = {
    "()": "None",
    "Reset": "Reset",
    "Placement": "Placement",
    "bool": "bool",
    "f64": "float",
    "isize": "int",
    "str": "str",
    "usize": "int",
    "PyAny": "Any",
    "PyDict": "dict[str, Any]",
    "PyList": "list[Any]",
    "PyTuple": "tuple[Any, ...]",
}


class Function(NamedTuple):
    """A function that makes an operator of Python's arguments."""

    module: str
    name: str
    declaration: str


def functions() -> list[Function]:
    """All of them, sorted by name."""
    found = []
    for path in sorted(OPS.glob("*.rs")):
        for match in _FUNCTION.finditer(path.read_text()):
            arguments = dict(
                _argument(each) for each in _split(match["arguments"]) if not each.startswith("py: Python")
            )
            parts = _split(match["signature"]) if match["signature"] else list(arguments)
            given = ", ".join(_parameter(part, arguments) for part in parts)
            declaration = f"def {match['name']}({given}) -> {_type(match['returned'])}: ..."
            found.append(Function(path.stem, match["name"], declaration))
    return sorted(found, key=lambda function: function.name)


def registration() -> str:
    """``ops/mod.rs``: the modules, and the functions that are added to Python's."""
    modules = sorted(path.stem for path in OPS.glob("*.rs") if path.stem != "mod")
    lines = ["//! Operators: each takes Python's arguments, and makes the engine's operator at its placement."]
    lines += ["//!", "//! `cargo xtask stubs` writes this file: it lists the functions in the modules.", ""]
    lines += [f"pub(crate) mod {module};" for module in modules]
    lines += ["", "use pyo3::prelude::*;", "", "/// Adds the operators to their module."]
    lines += ["pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {"]
    lines += [
        f"    module.add_function(wrap_pyfunction!({each.module}::{each.name}, module)?)?;" for each in functions()
    ]
    lines += ["    Ok(())", "}", ""]
    return "\n".join(lines)


def stub() -> str:
    """``_thalweg/ops.pyi``."""
    lines = [
        '"""Operators: each function takes Python\'s arguments, and makes the engine\'s operator at its placement.',
        "",
    ]
    lines += ["This file is generated from Rust's functions by ``cargo xtask stubs``.", '"""', ""]
    lines += [
        "from typing import Any",
        "",
        "from thalweg._thalweg import Reset",
        "from thalweg._types import Placement",
        "",
    ]
    lines += ["__all__ = [", *(f'    "{each.name}",' for each in functions()), "]", ""]
    lines += [each.declaration for each in functions()]
    return "\n".join([*lines, ""])


def _split(text: str) -> list[str]:
    """Parts between commas that are in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "(<[") - (character in ")>]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _argument(text: str) -> tuple[str, str]:
    name, _, kind = text.partition(": ")
    return name.removeprefix("mut "), _type(kind)


def _parameter(part: str, arguments: dict[str, str]) -> str:
    if part == "*":
        return part
    name, _, default = part.partition("=")
    given = f"{name}: {arguments[name]}"
    return f"{given} = {_DEFAULTS.get(default, default)}" if default else given


_DEFAULTS = {"false": "False", "true": "True"}


def _type(text: str) -> str:
    """Python's type of one of Rust's."""
    text = re.sub(r"&|'_ ?,? ?|\bmut ", "", text.strip()).removesuffix("<>")
    if text in _TYPES:
        return _TYPES[text]
    if text.startswith("("):
        return f"tuple[{', '.join(map(_type, _split(text[1:-1])))}]"
    wrapped = re.fullmatch(r"(\w+)<(.*)>", text)
    outer, inner = wrapped.groups() if wrapped else (text, "")
    if outer in ("Bound", "Py", "PyResult"):
        return _type(inner)
    if outer == "Option":
        found = _type(inner)
        return found if found == "Any" else f"{found} | None"
    if outer == "Vec":
        return f"list[{_type(inner)}]"
    raise ValueError(f"{text}: say in {Path(__file__).name} what type that is in Python")
