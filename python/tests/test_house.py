"""The layers of the package and their imports. Imports inside functions count as well."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import thalweg

PACKAGE = Path(thalweg.__file__).parent

#: Packages in order of layers: each imports only earlier ones. Modules outside a package come last.
FLOORS = [
    "runtime.intervals",
    "errors",
    "runtime",
    "stream",
    "database",
    "dead_letters",
    "http",
    "remote",
    "ops",
    "sinks",
    "sources",
    "view",
    "collections",
    "tasks",
    "parallel",
    "dataframe",
    "compat",
    "testing",
    "_extensions",
    "_upcalls",
]


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, known: dict[str, Path]) -> set[str]:
    """Modules imported by a module, except those only for type checkers."""
    found = set()
    unseen = [tree]
    while unseen:
        node = unseen.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            unseen += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner if name != "thalweg._thalweg"}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        unseen += ast.iter_child_nodes(node)
    return found & known.keys()


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports(ast.parse(path.read_text()), known) - {name} for name, path in known.items()}


def floor(module: str) -> int:
    inside = module.removeprefix("thalweg.") + "."
    found = [number for number, room in enumerate(FLOORS) if inside.startswith(f"{room}.")]
    return min(found, default=len(FLOORS))


def test_there_are_no_import_cycles():
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        raise AssertionError(f"modules that import one another: {' <- '.join(error.args[1])}") from None


def test_packages_import_only_lower_layers():
    upwards = {(name, other) for name, others in graph().items() for other in others if floor(other) > floor(name)}
    assert not upwards


def test_every_package_has_a_layer():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms - {"_thalweg", "distributed"} <= set(FLOORS)
