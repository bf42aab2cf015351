"""Programs of streams in other processes: pickled, and run there."""

from __future__ import annotations

import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from thalweg._thalweg.parallel import Program
from thalweg.errors.reprs import short
from thalweg.tasks.errors import UnpicklableError
from thalweg.tasks.process.pickling import again, dump_error, loads

__all__ = [
    "BatchCall",
    "Code",
    "dumps",
    "heard",
    "load",
    "loads",
    "pickled",
    "run",
    "size_of",
    "told",
    "watch",
    "without_unsendable",
]


def dumps(x: Any) -> bytes:
    """Pickle an object; with cloudpickle, if installed, objects that plain pickle cannot handle.

    Examples
    --------
    >>> from thalweg.parallel.remote import dumps, loads
    >>> loads(dumps((1, 2)))
    (1, 2)
    """
    try:
        data = pickle.dumps(x, protocol=5)
    except Exception:
        return again(x, lambda _: True)
    return again(x, lambda _: True) if b"__main__" in data else data


def pickled(sent: Any) -> tuple[bytes, bytes]:
    """Pickle a program; return a digest, and the pickle.

    With cloudpickle, since functions of some modules may be registered to be pickled by value.

    Examples
    --------
    >>> from thalweg.parallel.remote import pickled
    >>> digest, data = pickled(("of_steps", ([], False)))
    >>> len(digest)
    16
    """
    data = again(sent, lambda _: True)
    return blake2b(data, digest_size=16).digest(), data


#: The latest programs by digest: functions are unpickled once, not once per batch.
_programs: OrderedDict[bytes, Program] = OrderedDict()
_lock = threading.Lock()
_KEPT = 64


def load(digest: bytes, data: bytes) -> Program:
    """Return the program of a pickle.

    Examples
    --------
    >>> from thalweg.parallel.remote import load, pickled
    >>> steps = [((("call", abs, None, None, False, False), (0, 0.0, 0.0, False)), True)]
    >>> program = load(*pickled(("of_steps", ([steps], False))))
    >>> program([-1, 2])[0]
    [1, 2]
    """
    with _lock:
        known = _programs.get(digest)
        if known is not None:
            _programs.move_to_end(digest)
            return known
    how, args = loads(data)
    program: Program = getattr(Program, how)(*args)
    with _lock:
        _programs[digest] = program
        while len(_programs) > _KEPT:
            _programs.popitem(last=False)
    return program


class Code:
    """A program as sent to our own worker processes.

    Examples
    --------
    >>> import pickle
    >>> from thalweg.parallel.remote import Code, pickled
    >>> pickle.loads(pickle.dumps(Code(*pickled(("of_steps", ([], False))))))([])[0]
    []
    """

    __slots__ = ("data", "digest")

    def __init__(self, digest: bytes, data: bytes) -> None:
        self.digest: Any = digest
        self.data: bytes = data

    def __reduce__(self) -> Any:
        return load, (self.digest, self.data)


class BatchCall:
    """A program and its elements: executors and clusters do not look inside.

    Examples
    --------
    >>> from thalweg.parallel.remote import BatchCall
    >>> BatchCall(b"", b"", ([1],)).args
    ([1],)
    """

    __slots__ = ("args", "data", "digest")

    def __init__(self, digest: bytes, data: bytes, args: tuple[Any, ...]) -> None:
        self.digest: Any = digest
        self.data: Any = data
        self.args: Any = args

    def __reduce__(self) -> Any:
        return BatchCall, (self.digest, self.data, self.args)


def run(batch: BatchCall) -> Any:
    """Run elements through a program.

    Examples
    --------
    >>> from thalweg.parallel.remote import BatchCall, pickled, run
    >>> steps = [((("filter", None, None, None, False, False), (0, 0.0, 0.0, False)), True)]
    >>> values, without, seconds, state = run(BatchCall(*pickled(("of_steps", ([steps], False))), ([0, 1],)))
    >>> values, without
    ([None, 1], {0: None})
    """
    return load(batch.digest, batch.data)(*batch.args)


def without_unsendable(result: Any, number: int) -> Any:
    """Replace values that cannot be pickled by failures of a step.

    Examples
    --------
    >>> import threading
    >>> from thalweg.parallel.remote import without_unsendable
    >>> values, without, *_ = without_unsendable(([1, threading.Lock()], None, 0.0, None), 0)
    >>> values, list(without)
    ([1, None], [1])
    """
    values, without, seconds, state = result
    without = dict(without or {})
    sendable = list(values)
    for place, value in enumerate(values):
        try:
            dumps(value)
        except Exception as error:
            sendable[place] = None
            failure = UnpicklableError(f"the result {short(value)} can't be sent from its worker process: {error}")
            without[place] = (number, told(failure, None))
    return sendable, without, seconds, state


def told(error: BaseException, element: Any) -> bytes:
    """Pickle a failure: the exception, and the element unless it is None.

    Examples
    --------
    >>> from thalweg.parallel.remote import heard, told
    >>> error, element = heard(told(ValueError("bad"), 3))
    >>> error, element
    (ValueError('bad'), (3,))
    """
    if element is None:
        return pickle.dumps((dump_error(error), None))
    try:
        x = dumps(element)
    except Exception:
        x = dumps(short(element))
    return pickle.dumps((dump_error(error), x))


def heard(data: bytes) -> tuple[BaseException, tuple[Any, ...]]:
    """Unpickle a failure: the exception, and the element in a tuple if it was sent."""
    error, element = pickle.loads(data)
    if element is None:
        return loads(error), ()
    try:
        x = loads(element)
    except Exception as unread:
        x = f"<it can't be read in this process: {unread}>"
    return loads(error), (x,)


def size_of(x: Any) -> int:
    """Return the approximate size of a value in bytes.

    Examples
    --------
    >>> from thalweg.parallel.remote import size_of
    >>> size_of(bytes(1000)) >= 1000
    True
    """
    size = getattr(x, "nbytes", None)
    return size if type(size) is int else sys.getsizeof(x, 64)


_ATOMS = (int, float, complex, str, bytes, bool, type(None))
_ABSENT = object()


def watch(function: Any, args: Any, kwargs: Any) -> Callable[[], bool] | None:
    """Return a fingerprint of a function's pickle, to see whether it has changed; None if that is expensive.

    Importable objects are pickled as their names. The fingerprint of a plain function without a closure, and without
    globals other than modules and builtins, is its code.

    Examples
    --------
    >>> from thalweg.parallel.remote import watch
    >>> watch(len, None, None)()
    True
    >>> totals = []
    >>> watch(lambda x: totals.append(x), None, None) is None
    True
    """
    values = (*(args or ()), *(kwargs or {}).values())
    if not all(type(value) in _ATOMS for value in values):
        return None
    if isinstance(function, FunctionType):
        return _watch_plain(function)
    if isinstance(function, BuiltinFunctionType):
        owner = function.__self__
        return _always if owner is None or isinstance(owner, ModuleType) else None
    return _always if isinstance(function, type) and function.__module__ != "__main__" else None


def _always() -> bool:
    return True


def _watch_plain(function: FunctionType) -> Callable[[], bool] | None:
    module = sys.modules.get(function.__module__)
    name = function.__qualname__
    if function.__module__ != "__main__" and getattr(module, name, None) is function and not _is_by_value(module):
        return lambda: getattr(module, name, None) is function
    code, defaults, found = function.__code__, function.__defaults__, function.__globals__
    if function.__closure__ or function.__kwdefaults__ or function.__dict__:
        return None
    if not all(type(value) in _ATOMS for value in defaults or ()):
        return None
    names = tuple(_names(code))
    if not all(_stays(found.get(name, _ABSENT)) for name in names):
        return None
    before = [found.get(name, _ABSENT) for name in names]

    def is_same() -> bool:
        is_as_it_was = function.__code__ is code and function.__defaults__ is defaults and not function.__dict__
        return is_as_it_was and all(found.get(name, _ABSENT) is it for name, it in zip(names, before, strict=True))

    return is_same


def _is_by_value(module: Any) -> bool:
    """Whether cloudpickle pickles the functions of a module, or of a package that contains it, by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is None:
        return False
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module.__name__ == name or module.__name__.startswith(f"{name}.") for name in registered)


def _names(code: CodeType) -> set[str]:
    """The names that code may look up in its globals."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _stays(found: Any) -> bool:
    """Whether a global is pickled as its name."""
    if isinstance(found, ModuleType):
        return sys.modules.get(found.__name__) is found and found.__name__ != "__main__"
    is_builtin = isinstance(found, BuiltinFunctionType) and isinstance(found.__self__, ModuleType)
    return found is _ABSENT or is_builtin
