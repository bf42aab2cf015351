"""Validation of arguments."""

from __future__ import annotations

from operator import index
from os import fspath

from thalweg._thalweg import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any

    from typing_extensions import TypeIs

_CO_COROUTINE = 0x80
_CO_GENERATOR = 0x20
_CO_ASYNC_GENERATOR = 0x200
#: Of `types.coroutine`: its generators are awaited.
_CO_ITERABLE_COROUTINE = 0x100


def is_async_def(function: Any) -> bool:
    """Whether calling it returns a coroutine: an ``async def``, also as a method or in a ``partial``.

    Examples
    --------
    >>> from thalweg.stream.arguments import is_async_def
    >>> async def f():
    ...     pass
    >>> is_async_def(f), is_async_def(print)
    (True, False)
    """
    return bool(_code_flags(function) & _CO_COROUTINE)


def _code_flags(function: Any) -> int:
    """The flags of its code; 0 if it is not written in Python."""
    function = _inner(function)
    code = getattr(function, "__code__", None)
    if code is None:
        call = getattr(type(function), "__call__", None)  # noqa: B004, what is called is the class's
        code = getattr(call, "__code__", None)
    return 0 if code is None else code.co_flags


def _inner(function: Any) -> Any:
    """The function in a ``partial`` or a method."""
    function = getattr(function, "func", function)
    return getattr(function, "__func__", function)


def is_awaited(function: Any) -> bool:
    """Whether its results are to be awaited: an ``async def``, or a coroutine of Tornado's.

    Examples
    --------
    >>> from tornado import gen
    >>> from thalweg.stream.arguments import is_awaited
    >>> @gen.coroutine
    ... def f():
    ...     yield gen.moment
    >>> is_awaited(f), is_awaited(print)
    (True, False)
    """
    return is_async_def(function) or bool(getattr(_inner(function), "__tornado_coroutine__", False))


def check_callable(function: Any, operator: str, argument: str) -> None:
    """Raise a `TypeError` that names the argument, unless it is callable.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_callable
    >>> check_callable(1, "map", "func")
    Traceback (most recent call last):
    TypeError: map: `func` is a function, not 1
    """
    if not callable(function):
        raise TypeError(f"{operator}: `{argument}` is a function, not {function!r}")


def check_runs(function: Any, operator: str, argument: str) -> None:
    """Raise a `TypeError` that names the argument, unless it is callable and a call runs its body.

    A generator function is refused: a call only makes a generator, which nobody would iterate over.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_runs
    >>> def pieces(x):
    ...     yield x
    >>> check_runs(pieces, "sink", "func")
    Traceback (most recent call last):
    TypeError: sink: `func` is a function that returns, not the generator function pieces, whose body would never run
    """
    check_callable(function, operator, argument)
    flags = _code_flags(function)
    if flags & (_CO_GENERATOR | _CO_ASYNC_GENERATOR) and not flags & _CO_ITERABLE_COROUTINE:
        shown = f"not the generator function {getattr(function, '__name__', function)}, whose body would never run"
        raise TypeError(f"{operator}: `{argument}` is a function that returns, {shown}")


def check_key(key: Any, operator: str, argument: str) -> Any:
    """Return the key of elements; raise a `TypeError` that names the argument if its results would have to be awaited.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_key
    >>> async def later(x):
    ...     pass
    >>> check_key(later, "unique", "key")
    Traceback (most recent call last):
    TypeError: unique: `key` is a function that returns the key, not the `async def` later; await it in a `map` before
    """
    if callable(key):
        check_runs(key, operator, argument.strip("_"))
    if is_awaited(key):
        shown = f"not the `async def` {getattr(key, '__name__', key)}; await it in a `map` before"
        raise TypeError(f"{operator}: `{argument.strip('_')}` is a function that returns the key, {shown}")
    return key


def check_count(number: Any, operator: str, argument: str) -> int:
    """Return a number of elements; raise an error that names the argument if it is less than one.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_count
    >>> check_count(0, "buffer", "n")
    Traceback (most recent call last):
    ValueError: buffer: `n` is at least one, not 0
    """
    try:
        count = index(number)
    except TypeError:
        raise TypeError(f"{operator}: `{argument}` is a whole number, not {number!r}") from None
    if count < 1:
        raise ValueError(f"{operator}: `{argument}` is at least one, not {count}")
    return min(count, _UNBOUNDED)


def check_size(number: Any, operator: str, argument: str) -> int:
    """Return a capacity in elements. Zero or less means no limit under a peer's name where the peer has it so;
    otherwise it is an error.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_size
    >>> check_size(3, "buffer", "n")
    3
    """
    from thalweg import errors

    if errors.logger_name in errors.PEERS:
        try:
            if index(number) <= 0:
                return _UNBOUNDED
        except TypeError:
            # The check below reports values that are not numbers.
            pass
    return check_count(number, operator, argument)


#: More elements than fit into memory.
_UNBOUNDED = 2**62


def is_path(file: object) -> TypeIs[str | PathLike[str]]:
    """Whether it is the name of a file, rather than a file.

    Examples
    --------
    >>> import io, pathlib
    >>> from thalweg.stream.arguments import is_path
    >>> is_path("a.txt"), is_path(pathlib.Path("a.txt")), is_path(io.StringIO())
    (True, True, False)
    """
    return isinstance(file, str) or hasattr(file, "__fspath__")


def check_file(file: Any, operator: str, argument: str) -> str:
    """Return the name of a file; raise a `TypeError` that names the argument if it is none.

    Examples
    --------
    >>> import pathlib
    >>> from thalweg.stream.arguments import check_file
    >>> check_file(pathlib.PurePosixPath("key.pem"), "from_mqtt", "keyfile")
    'key.pem'
    >>> check_file(1, "from_mqtt", "keyfile")
    Traceback (most recent call last):
    TypeError: from_mqtt: `keyfile` is a name or a path, not 1
    """
    name = fspath(file) if is_path(file) else file
    if not isinstance(name, str):
        raise TypeError(f"{operator}: `{argument}` is a name or a path, not {file!r}")
    return name


def check_names(names: Any, operator: str, argument: str) -> list[Any]:
    """Return one or several names as a list; raise a `TypeError` that names the argument if it is neither.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_names
    >>> check_names("id", "to_sql", "key"), check_names(("id", "at"), "to_sql", "key")
    (['id'], ['id', 'at'])
    >>> check_names(7, "to_sql", "key")
    Traceback (most recent call last):
    TypeError: to_sql: `key` is a name or a list of names, not 7
    """
    if isinstance(names, (str, bytes, bytearray)):
        return [names]
    if not hasattr(names, "__iter__") or isinstance(names, type):
        raise TypeError(f"{operator}: `{argument}` is a name or a list of names, not {names!r}")
    return list(names)


def check_dict(given: Any, operator: str, argument: str) -> dict[Any, Any]:
    """Return a copy of a dict, empty for None; raise a `TypeError` that names the argument if it is neither.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_dict
    >>> check_dict(None, "from_tcp", "server_kwargs")
    {}
    >>> check_dict("ssl", "from_tcp", "server_kwargs")
    Traceback (most recent call last):
    TypeError: from_tcp: `server_kwargs` is a dict, not 'ssl'
    """
    try:
        return dict(given or {})
    except (TypeError, ValueError):
        raise TypeError(f"{operator}: `{argument}` is a dict, not {given!r}") from None


def check_index(position: Any, operator: str, argument: str) -> int | None:
    """Return a position, or None; raise an error that names the argument if it is not an integer.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_index
    >>> check_index(1.5, "slice", "start")
    Traceback (most recent call last):
    TypeError: slice: `start` is a whole number, not 1.5
    """
    try:
        return None if position is None else max(min(index(position), _UNBOUNDED), -_UNBOUNDED)
    except TypeError:
        raise TypeError(f"{operator}: `{argument}` is a whole number, not {position!r}") from None


def check_keep(keep: object, operator: str) -> None:
    """Raise a `ValueError` unless it is ``"first"`` or ``"last"``.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_keep
    >>> check_keep("best", "partition_unique")
    Traceback (most recent call last):
    ValueError: partition_unique: `keep` is "first" or "last", not 'best'
    """
    if keep not in ("first", "last"):
        raise ValueError(f'{operator}: `keep` is "first" or "last", not {keep!r}')


def listed(streams: Any, operator: str, argument: str) -> list[Any]:
    """Return one stream or several as a list; raise a `TypeError` that names the argument for anything else.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.stream.arguments import listed
    >>> listed(Stream(), "destroy", "streams")
    [<Stream>]
    >>> listed(5, "destroy", "streams")
    Traceback (most recent call last):
    TypeError: destroy: `streams`: a stream, not 5
    """
    several = list(streams) if hasattr(streams, "__iter__") else [streams]
    check_streams(several, operator, argument)
    return several


def check_streams(streams: Iterable[object], operator: str, argument: str = "upstreams") -> None:
    """Raise a `TypeError` that names the argument, unless all are streams.

    Examples
    --------
    >>> from thalweg.stream.arguments import check_streams
    >>> check_streams([1], "union")
    Traceback (most recent call last):
    TypeError: union: `upstreams`: a stream, not 1
    """
    for stream in streams:
        if not isinstance(stream, Node):
            from thalweg.errors.reprs import short

            raise TypeError(f"{operator}: `{argument}`: a stream, not {short(stream)}")
