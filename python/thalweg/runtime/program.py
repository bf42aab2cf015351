"""A program to run in this interpreter: a script, or a module."""

from __future__ import annotations

import io
import linecache
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

#: A program's code, and the module to execute it in.
Program = tuple[CodeType, ModuleType]


class NoProgramError(Exception):
    """There is no such module, or it cannot be run."""


def of_script(script: str, *arguments: str) -> Callable[[], Program]:
    """Make the interpreter look as if it had been started with a script; return how to compile that.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    source = _read(script)
    sys.argv[:] = [script, *arguments]
    _put_first_on_path("" if script == "-" else os.path.dirname(os.path.realpath(script)))
    name = "<stdin>" if script == "-" else os.path.abspath(script)
    return lambda: (compile(source, name, "exec", dont_inherit=True), _main_module(name, source))


def of_module(name: str, *arguments: str) -> Callable[[], Program]:
    """The same with a module, or the module ``__main__`` of a package; what is returned may raise `NoProgramError`."""
    sys.argv[:] = ["-m", *arguments]
    _put_first_on_path(os.getcwd())

    def load() -> Program:
        spec, code = _find_module(name)
        sys.argv[0] = spec.origin or name
        return code, _as_main(
            __cached__=spec.cached,
            __file__=spec.origin,
            __loader__=spec.loader,
            __package__=spec.parent,
            __spec__=spec,
        )

    return load


def _read(script: str) -> bytes:
    if script == "-":
        return sys.stdin.buffer.read()
    with io.open_code(os.path.abspath(script)) as file:
        return file.read()


def _find_module(name: str) -> tuple[ModuleSpec, CodeType]:
    spec = found = _spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = _spec(f"{name}.__main__")
    code = None if spec is None else getattr(spec.loader, "get_code", lambda _: None)(spec.name)
    if spec is None or code is None:
        what = "there is no such module" if found is None else "there is no code to run in it, such as in `__main__`"
        raise NoProgramError(f"can't run the module {name!r}: {what}")
    return spec, code


def _spec(name: str) -> ModuleSpec | None:
    from importlib.util import find_spec

    try:
        return find_spec(name)
    except ModuleNotFoundError as error:
        # Packages above it are imported, which may fail for reasons of their own.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def _main_module(name: str, source: bytes) -> ModuleType:
    if name == "<stdin>":
        # Tracebacks show the lines of files; this code is in none.
        lines = source.decode(errors="replace").splitlines(keepends=True)
        linecache.cache[name] = (len(source), None, lines, name)
        return _as_main(__package__=None, __spec__=None)
    from importlib.machinery import SourceFileLoader

    loader = SourceFileLoader("__main__", name)
    return _as_main(__cached__=None, __file__=name, __loader__=loader, __package__=None, __spec__=None)


def _as_main(**attributes: object) -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__.update(__builtins__=__builtins__, **attributes)
    # Stays there, since exit handlers, threads and pickle look it up.
    sys.modules["__main__"] = module
    return module


def _put_first_on_path(directory: str) -> None:
    # In safe-path mode the first entry is not the directory of the program.
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = directory
