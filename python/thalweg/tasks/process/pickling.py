"""Pickling for worker processes, beyond plain pickle."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections import ChainMap
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from io import BytesIO
from mmap import mmap
from threading import RLock
from types import CodeType, FrameType, TracebackType
from typing import Any
from weakref import WeakSet

from thalweg.tasks.errors import RemoteError, UnpicklableError

#: Advice if cloudpickle is missing.
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
    "sendable",
    "traceback_of",
    "unreadable",
    "value_error",
]

#: Held during imports for a pickle. Otherwise threads that import modules which need each other could see one
#: half-imported.
_importing = RLock()

#: Seconds that one thread waits for the imports of another.
_PATIENCE = 60.0

#: Completely imported modules, with their packages.
_imported: set[str] = set()


def loads(data: bytes, *, buffers: Iterable[Any] | None = None) -> Any:
    """Unpickle; imports named by pickles are made by one thread at a time.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.process.pickling import loads
    >>> loads(pickle.dumps([1, len]))
    [1, <built-in function len>]
    """
    return _Reader(BytesIO(data), buffers=buffers).load()


#: Mapped memory; up to Python 3.12 each map has its own descriptor.
_maps: WeakSet[mmap] = WeakSet()


def mapped(descriptor: int, length: int, most: int) -> memoryview | None:
    """Return the contents of a file as copy-on-write memory; None if `most` are mapped already.

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
        # It can be copied anyway.
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
            # A module named by a function's globals.
            return _import
        if _is_imported(module_name):
            _imported.add(module_name)
        return found


def _import(name: str) -> Any:
    return _in_turn(import_module, name)


def _in_turn(function: Callable[..., Any], *args: Any) -> Any:
    """Import while no other thread does."""
    # If a module waits for another thread's import, it is better to continue.
    is_alone = _importing.acquire(timeout=_PATIENCE)
    try:
        return function(*args)
    finally:
        if is_alone:
            _importing.release()


def _is_imported(name: str) -> bool:
    """Whether a module is completely imported, with its packages."""
    while name:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is None or getattr(spec, "_initializing", False):
            return False
        name = name.rpartition(".")[0]
    return True


def again(obj: Any, buffer_callback: Callable[[Any], Any]) -> bytes:
    """Pickle objects that plain pickle does not handle: lambdas, closures, and definitions in ``__main__``.

    With cloudpickle they are pickled by value. Without it, the worker imports the main module under another name, as
    multiprocessing does.
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
                "it is defined in `__main__`, which is not a file that a worker process can import" + _CLOUDPICKLE
            ) from None
        return pickle.dumps(_WithMain(main, data), protocol=5)
    file = BytesIO()
    _pickler(cloudpickle)(file, protocol=5, buffer_callback=buffer_callback).dump(obj)
    return file.getvalue()


@cache
def _pickler(cloudpickle: Any) -> Any:
    """Return cloudpickle's class, except that functions keep their file names, for tracebacks."""
    known = cloudpickle.Pickler.dispatch_table
    reduce = known[CodeType]

    def with_file(code: CodeType) -> tuple[Any, ...]:
        make, parts = reduce(code)
        # Comparing bytes with text is an error under `python -bb`.
        named = (code.co_filename if type(part) is str and part == "<dynamic-code>" else part for part in parts)
        return make, tuple(named)

    return type("Pickler", (cloudpickle.Pickler,), {"dispatch_table": ChainMap({CodeType: with_file}, known)})


class _WithMain:
    """A pickle that is read after importing its author's main module."""

    def __init__(self, main: dict[str, Any], data: bytes) -> None:
        self.main = main
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return load_with_main, (self.main, self.data)


def _main() -> dict[str, Any]:
    """Describe this process's main module in multiprocessing's form."""
    from multiprocessing.spawn import get_preparation_data

    known: Any = get_preparation_data("thalweg-worker")
    main: dict[str, Any] = {
        name: known[name] for name in ("init_main_from_name", "init_main_from_path") if name in known
    }
    # Code from standard input, or edited in a notebook, has a file name but no file.
    if not os.path.exists(main.get("init_main_from_path", __file__)):
        return {}
    return main


#: Whether the main module is being imported here, in a worker process.
is_importing_main = False


def load_with_main(main: dict[str, Any], data: bytes) -> Any:
    """Import the main module of the process that pickled `data`, and unpickle it."""
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
    """Return the error for a function that cannot be pickled."""
    explained = UnpicklableError(
        f"the function {_name(function)} can't be sent to a worker process: {error}{_advice(error)}"
    )
    explained.__cause__ = error
    return explained


def argument_error(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, error: BaseException
) -> UnpicklableError:
    """Return the error for an argument that cannot be pickled."""
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
    """Return the error for a value that cannot be pickled."""
    explained = UnpicklableError(f"{_short(value)} can't be sent to worker processes: {error}{_advice(error)}")
    explained.__cause__ = error
    return explained


def result_error(function: Any, result: Any, error: BaseException) -> UnpicklableError:
    """Return the error for a result that cannot be pickled."""
    explained = UnpicklableError(
        f"the result of {_name(function)}, {_short(result)}, can't be sent from its worker process: {error}"
    )
    explained.__cause__ = error
    return explained


def unreadable(what: str, key: Any, error: BaseException) -> BaseException:
    """Return the error for an outcome that cannot be unpickled here; a lack of memory or files is returned as it is.

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
    """Add the task's name to an error from its worker process, which does not know it."""
    if isinstance(error, (RemoteError, UnpicklableError)) and error.task is None:
        error.task = key
    return error


def _short(value: Any) -> str:
    from thalweg.errors.reprs import short

    text = short(value)
    return text if len(text) <= 60 else text[:57] + "..."


#: A line of a traceback: the file, the function and the number of the line.
_Place = tuple[str, str, int]

#: Maximum number of lines at each end of a traceback that is rebuilt.
_MOST_PLACES = 50


class RemoteTraceback(Exception):
    """Traceback of an exception in a worker process: the cause of the exception that arrives here."""

    def __init__(self, text: str, places: list[_Place] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.places = places or []

    def __str__(self) -> str:
        return f"\n{self.text}"


def dump_error(error: BaseException) -> bytes:
    """Pickle an exception, and where it was raised."""
    return pickle.dumps(sendable(error))


def sendable(error: BaseException) -> Any:
    """Return what arrives in another process as an exception and its traceback.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.tasks.process.pickling import sendable
    >>> pickle.loads(pickle.dumps(sendable(ValueError(1))))
    ValueError(1)
    """
    cause = error.__cause__
    if isinstance(cause, RemoteTraceback):
        # It was raised in a third process.
        return _Error(_dumped(error), cause.text, cause.places)
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        # Its own code makes its text.
        text = "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n"
    return _Error(_dumped(error), text, _places(error))


def _dumped(error: BaseException) -> bytes:
    """Pickle an exception, or its description."""
    for dump in (partial(again, buffer_callback=lambda _: True), _dumps_by_parts):
        try:
            data = dump(error)
            # Some exceptions can be pickled but not unpickled, or unpickle as something else.
            if isinstance(pickle.loads(data), BaseException):
                return data
        except Exception:
            continue
    return pickle.dumps(_in_words(error))


def _dumps_by_parts(error: BaseException) -> bytes:
    """Pickle an exception whose constructor takes other arguments than `args`, and those that it refers to."""
    try:
        from cloudpickle import Pickler
    except ImportError:
        from pickle import Pickler

    class ByParts(Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, BaseException) and (base := _builtin_base(obj)).__reduce__ is type(obj).__reduce__:
                reduced: tuple[Any, ...] = obj.__reduce__()  # type: ignore[assignment]
                _, args, *state = reduced
                return _from_parts, (type(obj), base, args), *state
            return getattr(super(), "reducer_override", lambda _: NotImplemented)(obj)

    file = BytesIO()
    ByParts(file, protocol=5).dump(error)
    return file.getvalue()


def _builtin_base(error: BaseException) -> type[BaseException]:
    """Return the built-in class that an exception's class is derived from."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")


def _from_parts(kind: type[BaseException], base: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Make an exception without its own constructor."""
    error = base.__new__(kind, *args)
    base.__init__(error, *args)
    return error


def _places(error: BaseException) -> list[_Place]:
    """Return where an exception was raised, the outermost place first."""
    places = [
        (frame.f_code.co_filename, frame.f_code.co_name, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return places if len(places) <= 2 * _MOST_PLACES else places[:_MOST_PLACES] + places[-_MOST_PLACES:]


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception, rebuilt if it was raised in a worker process.

    Examples
    --------
    >>> import traceback
    >>> from thalweg.tasks.process.pickling import RemoteTraceback, traceback_of
    >>> error = ValueError("wrong")
    >>> error.__cause__ = RemoteTraceback("", [("program.py", "main", 5), ("program.py", "parse", 2)])
    >>> [(frame.name, frame.lineno) for frame in traceback.extract_tb(traceback_of(error))]
    [('main', 5), ('parse', 2)]
    """
    here = error.__traceback__
    if not isinstance(error.__cause__, RemoteTraceback):
        return here
    rebuilt = None
    for place in reversed(error.__cause__.places):
        # Without an instruction: its columns would be those of other code.
        rebuilt = TracebackType(rebuilt, _frame(place), -1, place[2])
    # It may have been raised again in this process.
    links = []
    while here is not None:
        links.append(here)
        here = here.tb_next
    for link in reversed(links):
        rebuilt = TracebackType(rebuilt, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return rebuilt


def _frame(place: _Place) -> FrameType:
    """Return a frame of a function with a name and a file."""
    file, name, line = place
    code = compile("raise Exception", file, "exec").replace(co_name=name, co_firstlineno=line)
    try:
        exec(code, {"__file__": file})
    except Exception as raised:
        inner = raised.__traceback__ and raised.__traceback__.tb_next
    assert inner is not None
    return inner.tb_frame


def _in_words(error: BaseException) -> RemoteError:
    try:
        text = str(error)
    except Exception:
        text = "<its text can't be made>"
    return RemoteError(f"{type(error).__name__}: {text}")


class _Error:
    def __init__(self, data: bytes, text: str, places: list[_Place]) -> None:
        self.data = data
        self.text = text
        self.places = places

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_error, (self.data, self.text, self.places)


def _load_error(data: bytes, text: str, places: list[_Place]) -> BaseException:
    try:
        error: Any = loads(data)
    except Exception as unread:
        # Its class may not be known here.
        error = RemoteError(f"{text.strip().splitlines()[-1]} (it can't be read in this process: {unread})")
    if not isinstance(error, BaseException):
        error = RemoteError(text.strip().splitlines()[-1])
    told: BaseException = error
    # Past the class's own method: that of a frozen data class refuses everything.
    BaseException.__setattr__(told, "__cause__", RemoteTraceback(text, places))
    return told
