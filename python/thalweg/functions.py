"""What kind of function a user has given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CO_COROUTINE = 0x80


def is_async_def(function: Any) -> bool:
    """Whether calling it makes a coroutine: an ``async def``, also as a method or in a ``partial``.

    Examples
    --------
    >>> from thalweg.functions import is_async_def
    >>> async def f():
    ...     pass
    >>> is_async_def(f), is_async_def(print)
    (True, False)
    """
    function = getattr(function, "func", function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        call = getattr(type(function), "__call__", None)  # noqa: B004, what is called is the class's
        code = getattr(call, "__code__", None)
    return code is not None and bool(code.co_flags & _CO_COROUTINE)


def is_awaited(function: Any) -> bool:
    """Whether its results are to be awaited: an ``async def``, or a coroutine in Tornado's style.

    Examples
    --------
    >>> from tornado import gen
    >>> from thalweg.functions import is_awaited
    >>> @gen.coroutine
    ... def f():
    ...     yield gen.moment
    >>> is_awaited(f), is_awaited(print)
    (True, False)
    """
    return is_async_def(function) or bool(getattr(function, "__tornado_coroutine__", False))


def check_callable(function: Any, operator: str, argument: str) -> None:
    """Raise a `TypeError` that names the argument, unless it can be called.

    Examples
    --------
    >>> from thalweg.functions import check_callable
    >>> check_callable(1, "map", "func")
    Traceback (most recent call last):
    TypeError: map: `func` is a function, not 1
    """
    if not callable(function):
        raise TypeError(f"{operator}: `{argument}` is a function, not {function!r}")


def check_count(number: Any, operator: str, argument: str) -> int:
    """Return a number of elements; raise an error that names the argument if it is not at least one.

    Examples
    --------
    >>> from thalweg.functions import check_count
    >>> check_count(0, "buffer", "n")
    Traceback (most recent call last):
    ValueError: buffer: `n` is at least one, not 0
    """
    import operator as operators

    try:
        count = operators.index(number)
    except TypeError:
        raise TypeError(f"{operator}: `{argument}` is a whole number, not {number!r}") from None
    if count < 1:
        raise ValueError(f"{operator}: `{argument}` is at least one, not {count}")
    return count


def is_path(file: Any) -> bool:
    """Whether it names a file, and is none itself.

    Examples
    --------
    >>> import io, pathlib
    >>> from thalweg.functions import is_path
    >>> is_path("a.txt"), is_path(pathlib.Path("a.txt")), is_path(io.StringIO())
    (True, True, False)
    """
    return isinstance(file, str) or hasattr(file, "__fspath__")
