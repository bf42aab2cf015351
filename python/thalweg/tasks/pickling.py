"""Pickles for worker processes: what is done where plain ones do not do."""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from io import BytesIO
from mmap import MAP_PRIVATE, mmap
from threading import RLock
from typing import Any
from weakref import WeakSet

from thalweg.tasks.errors import UnpicklableError

__all__ = [
    "again",
    "argument_error",
    "dump_error",
    "function_error",
    "load_with_main",
    "loads",
    "mapped",
    "value_error",
]

#: Held while something is imported for a pickle. Of threads that import modules which need each other, one would be
#: given a module that is half imported.
_importing = RLock()

#: For so many seconds one thread waits for the imports of another.
_PATIENCE = 60.0

#: Modules that are imported as a whole, and the packages they are in.
_imported: set[str] = set()


def loads(data: bytes, *, buffers: Iterable[Any] | None = None) -> Any:
    """Read a pickle; one thread at a time imports what pickles name.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.pickling import loads
    >>> loads(pickle.dumps([1, len]))
    [1, <built-in function len>]
    """
    return _Reader(BytesIO(data), buffers=buffers).load()


#: What is mapped; up to Python 3.12 each has a descriptor of its own.
_maps: WeakSet[mmap] = WeakSet()


def mapped(descriptor: int, length: int, most: int) -> memoryview | None:
    """Return what is in a file, as memory of which whoever changes it gets a copy; None if `most` are mapped already.

    Examples
    --------
    >>> import os
    >>> from thalweg.tasks.pickling import mapped
    >>> file = os.memfd_create("example")
    >>> os.write(file, b"abc")
    3
    >>> bytes(mapped(file, 3, most=100))
    b'abc'
    """
    if len(_maps) >= most:
        return None
    try:
        memory = mmap(descriptor, length, flags=MAP_PRIVATE)
    except OSError:
        # It can be copied all the same.
        return None
    _maps.add(memory)
    return memoryview(memory)


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, name: str) -> Any:
        if module_name in _imported:
            return super().find_class(module_name, name)
        if _is_imported(module_name):
            found = super().find_class(module_name, name)
        else:
            found = _in_turn(super().find_class, module_name, name)
        if name == "subimport" and module_name.startswith("cloudpickle"):
            # A module that is named by a function's global names.
            return _import
        if _is_imported(module_name):
            _imported.add(module_name)
        return found


def _import(name: str) -> Any:
    return _in_turn(import_module, name)


def _in_turn(function: Callable[..., Any], *args: Any) -> Any:
    """Import something while no other thread does."""
    # Should a module wait for what another thread imports, it is better to go on.
    is_alone = _importing.acquire(timeout=_PATIENCE)
    try:
        return function(*args)
    finally:
        if is_alone:
            _importing.release()


def _is_imported(name: str) -> bool:
    """Whether a module has been imported to its end, and the packages it is in."""
    while name:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is None or getattr(spec, "_initializing", False):
            return False
        name = name.rpartition(".")[0]
    return True


def again(obj: Any, buffer_callback: Callable[[Any], Any]) -> bytes:
    """Pickle what plain pickles do not do for: lambdas, closures, and what is defined in ``__main__``.

    With cloudpickle they are sent as they are. Without it, what is in ``__main__`` is found by importing the main
    module in the worker, under another name, as multiprocessing does.
    """
    try:
        import cloudpickle
    except ImportError:
        data = pickle.dumps(obj, protocol=5)
        return pickle.dumps(_WithMain(_main(), data), protocol=5) if b"__main__" in data else data
    pickled: bytes = cloudpickle.dumps(obj, protocol=5, buffer_callback=buffer_callback)
    return pickled


class _WithMain:
    """A pickle that can be read once the main module of its author has been imported."""

    def __init__(self, main: dict[str, Any], data: bytes) -> None:
        self.main = main
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return load_with_main, (self.main, self.data)


def _main() -> dict[str, Any]:
    """Describe this process' main module as multiprocessing does, for its own way to import it."""
    from multiprocessing.spawn import get_preparation_data

    known = get_preparation_data("thalweg-worker")
    return {name: known[name] for name in ("init_main_from_name", "init_main_from_path") if name in known}


def load_with_main(main: dict[str, Any], data: bytes) -> Any:
    """Import the main module of the process that pickled `data`, and read it."""
    from multiprocessing.spawn import prepare

    _in_turn(prepare, main)
    return loads(data)


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _advice(error: BaseException) -> str:
    if "cloudpickle" in sys.modules or "Future" in str(error):
        return ""
    return "; with cloudpickle, lambdas and closures can be sent: pip install 'thalweg[processes]'"


def function_error(function: Any, error: BaseException) -> UnpicklableError:
    """Say that a function cannot be sent."""
    explained = UnpicklableError(
        f"the function {_name(function)} can't be sent to a worker process: {error}{_advice(error)}"
    )
    explained.__cause__ = error
    return explained


def argument_error(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, error: BaseException
) -> UnpicklableError:
    """Say which argument cannot be sent."""
    named = [(f"argument {place}", value) for place, value in enumerate(args)]
    named += [(f"argument {name!r}", value) for name, value in (kwargs or {}).items()]
    culprit = "an argument"
    for name, value in named:
        try:
            again(value, lambda _: True)
        except Exception as its_error:
            culprit, error = f"{name}, {_short(value)},", its_error
            break
    explained = UnpicklableError(
        f"{culprit} of {_name(function)} can't be sent to a worker process: {error}{_advice(error)}"
    )
    explained.__cause__ = error
    return explained


def value_error(value: Any, error: BaseException) -> UnpicklableError:
    """Say that a value cannot be sent."""
    explained = UnpicklableError(f"{_short(value)} can't be sent to worker processes: {error}{_advice(error)}")
    explained.__cause__ = error
    return explained


def _short(value: Any) -> str:
    from thalweg.reprs import short

    text = short(value)
    return text if len(text) <= 60 else text[:57] + "..."


class RemoteTraceback(Exception):
    """Where in a worker process an exception was raised: the cause of the exception that arrives here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


class RemoteError(RuntimeError):
    """An exception of a worker process that can't be sent, in words."""


def dump_error(error: BaseException) -> bytes:
    """Pickle an exception, and where it was raised."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        data = again(error, lambda _: True)
        # There are exceptions that can be written but not read.
        pickle.loads(data)
    except Exception:
        data = pickle.dumps(RemoteError(f"{type(error).__name__}: {error}"))
    return pickle.dumps(_Error(data, text))


class _Error:
    def __init__(self, data: bytes, text: str) -> None:
        self.data = data
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_error, (self.data, self.text)


def _load_error(data: bytes, text: str) -> BaseException:
    error: BaseException = loads(data)
    error.__cause__ = RemoteTraceback(text)
    return error
