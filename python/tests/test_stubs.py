"""What is declared for type checkers, beside what there is."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from thalweg.core import identity, no_default

import thalweg
from thalweg import Stream, core, ops, sinks, sources

PACKAGE = Path(thalweg.__file__).parent


def declared():
    """The methods that `_methods.pyi` declares, as functions whose annotations are text."""
    tree = ast.parse((PACKAGE / "_methods.pyi").read_text(), "_methods.pyi")
    methods = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    module = ast.parse("from __future__ import annotations")
    module.body.append(methods)
    namespace: dict = {}
    exec(compile(module, "_methods.pyi", "exec"), namespace)
    members = vars(namespace["Methods"]).items()
    return {name: member for name, member in members if inspect.isfunction(inspect.unwrap(member))}


def registered():
    """What the package has attached to `Stream`, and neither a plugin nor the module for Dask."""
    found = {}
    for name, member in vars(Stream).items():
        original = getattr(member, "__wrapped__", None)
        if isinstance(member, staticmethod):
            original = getattr(original, "__wrapped__", None)
        module = getattr(original, "__module__", "")
        if module.startswith("thalweg.") and module != "thalweg.dask" and name not in ("__init__", "__init_subclass__"):
            found[name] = original
    return found


DECLARED = declared()
REGISTERED = registered()


def parameters(function, *, leave_out):
    """Name, kind, type and default of each parameter but the first ones."""
    found = list(inspect.signature(function).parameters.values())[leave_out:]
    return [(each.name, each.kind.name, each.annotation, default(each.default)) for each in found]


def default(value):
    # What has no literal is `...` in a stub.
    return ... if value is identity or value is no_default else value


def test_everything_that_is_attached_is_declared():
    assert sorted(DECLARED) == sorted(REGISTERED)
    assert len(DECLARED) > 30


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_method_takes_what_its_class_takes(name):
    declaration, original = DECLARED[name], REGISTERED[name]
    is_static = isinstance(declaration, staticmethod)
    assert is_static == isinstance(vars(Stream)[name], staticmethod)
    if not inspect.isclass(original):
        assert parameters(declaration, leave_out=1) == parameters(original, leave_out=1)
        return
    theirs = list(inspect.signature(original.__init__).parameters.values())
    # Beside `self` it is the upstream that the method brings along, unless that is one of any number.
    brought = 1 if is_static or theirs[1].kind is inspect.Parameter.VAR_POSITIONAL else 2
    ours = parameters(declaration, leave_out=0 if is_static else 1)
    assert ours == parameters(original.__init__, leave_out=brought)


@pytest.mark.parametrize("name", sorted(name for name in DECLARED if inspect.isclass(REGISTERED[name])))
def test_a_method_returns_its_class(name):
    returned = inspect.signature(DECLARED[name]).return_annotation
    module, _, kind = returned.partition(".")
    assert getattr({"ops": ops, "sinks": sinks, "sources": sources}[module], kind) is REGISTERED[name]


def test_editors_are_told_that_there_are_types():
    assert (PACKAGE / "py.typed").exists()


def test_modules_that_mirror_others_leave_nothing_out():
    assert set(ops.__all__) < set(core.__all__) < set(thalweg.__all__)
    assert all(hasattr(thalweg, name) for name in thalweg.__all__)


def test_what_is_loaded_later_is_declared_and_there():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == thalweg._LATER
    assert all(getattr(thalweg, name) is not None for name in thalweg._LATER)


if TYPE_CHECKING:
    from typing_extensions import assert_type

    def what_type_checkers_see(source: Stream) -> None:
        """Nobody calls it: what it says is checked with the types."""
        assert_type(source.map(str), ops.map)
        assert_type(source.map(str).filter(None).sink(print), sinks.sink)
        assert_type(source.zip(source, 5, first=True), ops.zip)
        assert_type(Stream.from_iterable([1]), sources.from_iterable)
        assert_type(source.sink_to_list(), list[object])  # type: ignore[assert-type]
        assert_type(thalweg.map(source, str), ops.map)
        assert_type(source.map(str).upstreams, list[Stream])
        source.mapp(str)  # type: ignore[attr-defined]
        source.buffer()  # type: ignore[call-arg]
        source.rate_limit(None)  # type: ignore[arg-type]
        source.map(str, on_error="explode")  # type: ignore[arg-type]
        thalweg.mapp(source, str)  # type: ignore[attr-defined]
