"""The stubs for type checkers agree with the package."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import thalweg
from thalweg import Stream, _extensions, core, ops, sinks, sources

PACKAGE = Path(thalweg.__file__).parent


def declared():
    """The methods that `_methods.pyi` declares, with their overloads, as functions whose annotations are text."""
    tree = ast.parse((PACKAGE / "_methods.pyi").read_text(), "_methods.pyi")
    methods = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    methods.bases = []
    found: dict[str, list[Any]] = {}
    for method in methods.body:
        if isinstance(method, ast.FunctionDef):
            method.decorator_list = [one for one in method.decorator_list if ast.unparse(one) != "overload"]
            module = ast.parse("from __future__ import annotations")
            module.body.append(method)
            namespace: dict = {}
            exec(compile(module, "_methods.pyi", "exec"), namespace)
            found.setdefault(method.name, []).append(namespace[method.name])
    return found


def registered():
    """Methods that the package attaches to `Stream`, without plugins and the module for Dask."""
    for room in (ops, sinks, sources):
        for name in room.__all__:
            # Imports it.
            getattr(room, name)
    found = {}
    for name, member in vars(Stream).items():
        original = getattr(member, "__wrapped__", None)
        if isinstance(member, staticmethod):
            original = getattr(original, "__wrapped__", None)
        module = getattr(original, "__module__", "")
        if name in _extensions.__all__:
            found[name] = member
        elif (
            module.startswith("thalweg.") and module != "thalweg.dask" and name not in ("__init__", "__init_subclass__")
        ):
            found[name] = original
    return found


DECLARED = declared()
REGISTERED = registered()


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_declared_method_parameters_match_the_class(name):
    original = REGISTERED[name]
    taken = inspect.signature(original.__init__ if inspect.isclass(original) else original).parameters
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    for declaration in DECLARED[name]:
        assert isinstance(declaration, staticmethod) == isinstance(vars(Stream)[name], staticmethod)
        for each in list(inspect.signature(inspect.unwrap(declaration)).parameters.values()):
            if each.name in taken:
                theirs = taken[each.name]
                is_required = theirs.default is inspect.Parameter.empty
                assert each.default in (theirs.default, ...) or each.default is inspect.Parameter.empty
                assert not is_required or each.default is inspect.Parameter.empty
            elif each.kind is inspect.Parameter.KEYWORD_ONLY:
                assert takes_any
        if len(DECLARED[name]) == 1 and "args" not in taken:
            ours = inspect.signature(inspect.unwrap(declaration)).parameters
            assert set(taken) - set(ours) <= {"self", "upstream", "lossless", "node"}


@pytest.mark.parametrize("name", sorted(name for name in DECLARED if inspect.isclass(REGISTERED[name])))
def test_a_method_returns_a_stream_or_its_class(name):
    for declaration in DECLARED[name]:
        returned = inspect.signature(inspect.unwrap(declaration)).return_annotation.partition("[")[0]
        module, _, kind = returned.partition(".")
        rooms = {"ops": ops, "sinks": sinks, "sources": sources}
        assert returned == "Stream" or getattr(rooms[module], kind) is REGISTERED[name]


def test_the_package_has_a_py_typed_marker():
    assert (PACKAGE / "py.typed").exists()


def test_mirror_modules_are_complete():
    assert set(ops.__all__) < set(core.__all__) < set(thalweg.__all__)
    assert all(hasattr(thalweg, name) for name in thalweg.__all__)


def test_lazily_loaded_names_are_declared_and_exist():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    named = {alias.name: node.module for node in imports for alias in node.names if alias.name != "*"}
    assert named | dict.fromkeys(ops.__all__, "thalweg.ops") == thalweg._LATER
    assert all(getattr(thalweg, name) is not None for name in thalweg._LATER)


if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from typing_extensions import assert_type

    async def sleep(seconds: int) -> str: ...

    async def ticks() -> AsyncGenerator[int]:
        yield 1

    def what_type_checkers_see(source: Stream) -> None:
        """Never called: type checkers check its body."""
        assert_type(source.map(str), Stream[str])
        assert_type(source.map(str).filter(None).sink(print), sinks.sink[str])
        assert_type(source.zip(source, 5, first=True), ops.zip[tuple[Any, ...]])
        assert_type(Stream.from_iterable([1]), sources.from_iterable[int])
        assert_type(Stream.from_iterable(ticks()), sources.from_iterable[int])
        assert_type(source.sink_to_list(), list[Any])
        assert_type(thalweg.map(source, str), ops.map[str])
        assert_type(source.map(str).upstreams, list[Stream[Any]])
        numbers: Stream[int] = Stream()
        assert_type(numbers.map(lambda x: x + 0.5).sink_to_list(), list[float])
        assert_type(numbers.map(pow, 2), Stream[Any])
        assert_type(numbers.filter(lambda x: x > 0).remove(lambda x: x > 9), Stream[int])
        assert_type(numbers.sliding_window(2).starmap(lambda a, b: a + b), Stream[Any])
        assert_type(numbers.map(sleep), Stream[str])
        assert_type(numbers.map_async(sleep, parallelism=3), ops.map_async[str])
        assert_type(numbers.accumulate(lambda total, x: total + x).current_value, int)
        assert_type(numbers.accumulate(lambda texts, x: [*texts, str(x)], start=[""]).sink_to_list(), list[list[str]])
        assert_type(numbers.partition(2).flatten(), Stream[int])
        assert_type(numbers.timed_window("1s").map(sum).sink_to_list(), list[int])
        assert_type(numbers.zip(numbers.map(str)).sink_to_list(), list[tuple[int, str]])
        assert_type(numbers.combine_latest(numbers.map(str)).sink_to_list(), list[tuple[int, str]])
        assert_type(numbers.zip_latest(numbers.map(str)).sink_to_list(), list[tuple[int, str]])
        assert_type(numbers.union(numbers).buffer(2).unique().sliding_window(2).current_value, tuple[int, ...])
        assert_type(numbers.frequencies().sink_to_list(), list[dict[int, int]])
        assert_type(Stream.from_textfile("a").map(len).sink_to_list(), list[int])
        assert_type(numbers.scatter().gather().sink_to_list(), list[int])
        numbers.emit("one")  # type: ignore[arg-type]
        numbers.map(len)  # type: ignore[arg-type]
        numbers.flatten()  # type: ignore[misc]
        source.mapp(str)  # type: ignore[attr-defined]
        source.buffer()  # type: ignore[call-arg]
        source.rate_limit(None)  # type: ignore[arg-type]
        source.map(str, on_error="explode")  # type: ignore[call-overload]
        thalweg.mapp(source, str)  # type: ignore[attr-defined]
