"""Pickles for worker processes: what is done where plain ones do not do."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections import ChainMap
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from io import BytesIO
from mmap import mmap
from threading import RLock
from types import CodeType
from typing import Any
from weakref import WeakSet

from thalweg.tasks.errors import RemoteError, UnpicklableError

#: Advice where cloudpickle is missing.
_CLOUDPICKLE = (
    "; with cloudpickle, lambdas, closures and what a notebook defines can be sent: pip install 'thalweg[processes]'"
)

__all__ = [
    "again",
    "argument_error",
    "dump_error",
    "function_error",
    "load_with_main",
    "loads",
    "mapped",
    "of_task",
    "result_error",
    "unreadable",
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
    >>> from thalweg.tasks.process.pickling import loads
    >>> loads(pickle.dumps([1, len]))
    [1, <built-in function len>]
    """
    return _Reader(BytesIO(data), buffers=buffers).load()


#: Mapped memory; up to Python 3.12 each map has a descriptor of its own.
_maps: WeakSet[mmap] = WeakSet()


def mapped(descriptor: int, length: int, most: int) -> memoryview | None:
    """Return what is in a file, as memory of which whoever changes it gets a copy; None if `most` are mapped already.

    Examples
    --------
    >>> import os
    >>> from thalweg.tasks.process.pickling import mapped
    >>> file = os.memfd_create("example")
    >>> os.write(file, b"abc")
    3
    >>> bytes(mapped(file, 3, most=100))
    b'abc'
    """
    if len(_maps) >= most:
        return None
    try:
        # Not every system has such maps, and only Linux has worker processes.
        from mmap import MAP_PRIVATE

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
        if b"__main__" not in data:
            return data
        main = _main()
        if not main:
            raise UnpicklableError(
                "it is of `__main__`, which is no file that a worker process could import" + _CLOUDPICKLE
            ) from None
        return pickle.dumps(_WithMain(main, data), protocol=5)
    file = BytesIO()
    _pickler(cloudpickle)(file, protocol=5, buffer_callback=buffer_callback).dump(obj)
    return file.getvalue()


@cache
def _pickler(cloudpickle: Any) -> Any:
    """Return cloudpickle's class, but that functions keep the name of the file that they are in: tracebacks show it."""
    known = cloudpickle.Pickler.dispatch_table
    reduce = known[CodeType]

    def with_file(code: CodeType) -> tuple[Any, ...]:
        make, parts = reduce(code)
        # Bytes are not to be compared with text: `python -bb` takes that for an error.
        named = (code.co_filename if type(part) is str and part == "<dynamic-code>" else part for part in parts)
        return make, tuple(named)

    return type("Pickler", (cloudpickle.Pickler,), {"dispatch_table": ChainMap({CodeType: with_file}, known)})


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

    known: Any = get_preparation_data("thalweg-worker")
    main: dict[str, Any] = {
        name: known[name] for name in ("init_main_from_name", "init_main_from_path") if name in known
    }
    # What was read from standard input, or has been edited in a notebook, has a name but no file.
    if not os.path.exists(main.get("init_main_from_path", __file__)):
        return {}
    return main


#: Whether the program's main module is being imported here, in a worker process.
is_importing_main = False


def load_with_main(main: dict[str, Any], data: bytes) -> Any:
    """Import the main module of the process that pickled `data`, and read it."""
    from multiprocessing.spawn import prepare

    global is_importing_main
    is_importing_main = True
    try:
        _in_turn(prepare, main)
    finally:
        is_importing_main = False
    try:
        return loads(data)
    except AttributeError as error:
        # It was defined at a prompt, or below the guard.
        raise AttributeError(f"{error}: the file of the main module does not define it{_CLOUDPICKLE}") from error


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _advice(error: BaseException) -> str:
    if sys.modules.get("cloudpickle") is not None or "Future" in str(error) or _CLOUDPICKLE in str(error):
        return ""
    return _CLOUDPICKLE


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


def result_error(function: Any, result: Any, error: BaseException) -> UnpicklableError:
    """Say that what a function returned cannot be sent."""
    explained = UnpicklableError(
        f"the result of {_name(function)}, {_short(result)}, can't be sent from its worker process: {error}"
    )
    explained.__cause__ = error
    return explained


def unreadable(what: str, key: Any, error: BaseException) -> BaseException:
    """Say that what a task left cannot be read in this process. A lack of memory or files is told as it is.

    Examples
    --------
    >>> from thalweg.tasks.process.pickling import unreadable
    >>> print(unreadable("result", "load", ModuleNotFoundError("No module named 'plugin'")))
    the result of the task 'load' can't be read in this process: ModuleNotFoundError: No module named 'plugin'
    """
    if isinstance(error, (MemoryError, OSError)):
        return error
    explained = RemoteError(
        f"the {what} of the task {key!r} can't be read in this process: {type(error).__name__}: {error}"
    )
    explained.__cause__ = error
    return explained


def of_task(error: BaseException, key: str) -> BaseException:
    """Say of which task an error is that its worker process could not send more of: it does not know the name."""
    if isinstance(error, (RemoteError, UnpicklableError)) and error.task is None:
        error.task = key
    return error


def _short(value: Any) -> str:
    from thalweg.errors.reprs import short

    text = short(value)
    return text if len(text) <= 60 else text[:57] + "..."


class RemoteTraceback(Exception):
    """Traceback of an exception in a worker process: the cause of the exception that arrives here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def dump_error(error: BaseException) -> bytes:
    """Pickle an exception, and where it was raised."""
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        # Its own code makes its text.
        text = "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n"
    try:
        data = again(error, lambda _: True)
        # There are exceptions that can be written but not read, or are read as something else.
        if not isinstance(pickle.loads(data), BaseException):
            data = pickle.dumps(_in_words(error))
    except Exception:
        data = pickle.dumps(_in_words(error))
    return pickle.dumps(_Error(data, text))


def _in_words(error: BaseException) -> RemoteError:
    try:
        text = str(error)
    except Exception:
        text = "<its text can't be made>"
    return RemoteError(f"{type(error).__name__}: {text}")


class _Error:
    def __init__(self, data: bytes, text: str) -> None:
        self.data = data
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_error, (self.data, self.text)


def _load_error(data: bytes, text: str) -> BaseException:
    try:
        error: Any = loads(data)
    except Exception as unread:
        # Its class may not be known here.
        error = RemoteError(f"{text.strip().splitlines()[-1]} (it can't be read in this process: {unread})")
    if not isinstance(error, BaseException):
        error = RemoteError(text.strip().splitlines()[-1])
    told: BaseException = error
    told.__cause__ = RemoteTraceback(text)
    return told
