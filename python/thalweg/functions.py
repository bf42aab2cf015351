"""What kind of function a user has given."""

from __future__ import annotations

_CO_COROUTINE = 0x80


def is_async_def(function) -> bool:
    """Whether calling it makes a coroutine: an ``async def``, also as a method or in a ``partial``."""
    function = getattr(function, "func", function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        call = getattr(type(function), "__call__", None)
        code = getattr(call, "__code__", None)
    return code is not None and bool(code.co_flags & _CO_COROUTINE)


def is_awaited(function) -> bool:
    """Whether its results are to be awaited: an ``async def``, or a coroutine in Tornado's style."""
    return is_async_def(function) or getattr(function, "__tornado_coroutine__", False)


def check_callable(function, operator: str, argument: str):
    """Raise a `TypeError` that names the argument, unless it can be called."""
    if not callable(function):
        raise TypeError(f"{operator}: `{argument}` is a function, not {function!r}")


def check_count(number, operator: str, argument: str) -> int:
    """Return a number of elements; raise an error that names the argument if it is not at least one."""
    import operator as operators

    try:
        number = operators.index(number)
    except TypeError:
        raise TypeError(f"{operator}: `{argument}` is a whole number, not {number!r}") from None
    if number < 1:
        raise ValueError(f"{operator}: `{argument}` is at least one, not {number}")
    return number


def check_index(index, operator: str, argument: str):
    """Return a position, or None; raise an error that names the argument if it is no whole number."""
    import operator as operators

    try:
        return None if index is None else operators.index(index)
    except TypeError:
        raise TypeError(f"{operator}: `{argument}` is a whole number, not {index!r}") from None


def check_keep(keep, operator: str):
    """Raise a `ValueError` unless it says which of several elements to keep."""
    if keep not in ("first", "last"):
        raise ValueError(f'{operator}: `keep` is "first" or "last", not {keep!r}')


def check_streams(streams, operator: str, argument: str = "upstreams"):
    """Raise a `TypeError` that names the argument, unless all are streams."""
    from thalweg._thalweg import Node

    for stream in streams:
        if not isinstance(stream, Node):
            raise TypeError(f"{operator}: `{argument}`: a stream, not {stream!r}")
