"""Asynchronous functions as tasks: each call has an event loop of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from types import MethodType
from typing import Any, TypeVar

T = TypeVar("T")

#: Flag of a code object: it is asynchronous.
_COROUTINE = 0x80


def runnable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that awaits an asynchronous one; other functions as they are.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks.client.coroutines import runnable
    >>> runnable(asyncio.sleep)(0, "awake")
    'awake'
    >>> runnable(abs) is abs
    True
    """
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & _COROUTINE and "tornado.gen" not in sys.modules:
        return function
    inner = function
    while isinstance(inner, (partial, MethodType)):
        inner = inner.func if isinstance(inner, partial) else inner.__func__
    code = getattr(inner, "__code__", None)
    if code is None and inner is not None:
        # An object whose call is asynchronous.
        code = getattr(vars(type(inner)).get("__call__"), "__code__", None)
    if code is not None and (code.co_flags & _COROUTINE or getattr(inner, "__tornado_coroutine__", False)):
        return partial(_run_coroutine, function)
    return function


def _run_coroutine(function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
    async def run() -> T:
        return await function(*args, **kwargs)

    return asyncio.run(run())


def awaited(value: Any) -> Any:
    """Return the result of an awaitable, once it is there; other values as they are.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks.client.coroutines import awaited
    >>> awaited(asyncio.sleep(0, "awake")), awaited(3)
    ('awake', 3)
    """
    if not isawaitable(value):
        return value

    async def run() -> Any:
        return await value

    return asyncio.run(run())
