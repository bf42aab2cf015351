"""Helpers of tests: streamz's module ``utils_test``. pytest and Tornado have to be installed."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from tornado import gen
from tornado.ioloop import IOLoop

from thalweg.runtime.loops import shared_loops as _io_loops
from thalweg.stream import Stream

__all__ = [
    "await_for",
    "captured_logger",
    "clean",
    "double",
    "free_port",
    "gen_test",
    "inc",
    "metadata",
    "pristine_loop",
    "tmpfile",
    "wait_for",
]


def inc(x: Any) -> Any:
    """Add one.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import inc
    >>> inc(1)
    2
    """
    return x + 1


def double(x: Any) -> Any:
    """Multiply by two.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import double
    >>> double(2)
    4
    """
    return 2 * x


def free_port() -> int:
    """Return a port of this machine that nobody listens on at the moment.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import free_port
    >>> free_port() > 0
    True
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def tmpfile(extension: str = "") -> Iterator[str]:
    """Give the name of a file that does not exist, and remove what stands there in the end.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import tmpfile
    >>> with tmpfile("txt") as name:
    ...     name.endswith(".txt")
    True
    """
    with tempfile.TemporaryDirectory() as directory:
        name = os.path.join(directory, "file." + extension.lstrip("."))
        yield name
        if os.path.isdir(name):
            shutil.rmtree(name, ignore_errors=True)


@contextmanager
def pristine_loop() -> Iterator[IOLoop]:
    """Give an event loop of Tornado's that is closed in the end.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import pristine_loop
    >>> with pristine_loop() as loop:
    ...     loop.run_sync(lambda: None)
    """
    loop = IOLoop(make_current=False)
    try:
        yield loop
    finally:
        loop.close(all_fds=True)


def gen_test(timeout: float = 10) -> Callable[[Callable[[], Any]], Callable[[], None]]:
    """Make a test of a coroutine, Tornado's or an ``async def``, that may take `timeout` seconds.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.compat.streamz.testing import gen_test
    >>> @gen_test(timeout=60)
    ... async def test_it():
    ...     await asyncio.sleep(0)
    ...     print("tested")
    >>> test_it()
    tested
    """

    def wrapped(function: Callable[[], Any]) -> Callable[[], None]:
        def test_func() -> None:
            with pristine_loop() as loop:
                is_native = asyncio.iscoroutinefunction(function)
                loop.run_sync(function if is_native else gen.coroutine(function), timeout=timeout)

        return test_func

    return wrapped


@contextmanager
def captured_logger(logger: Any, level: int = logging.INFO, propagate: bool | None = None) -> Iterator[StringIO]:
    """Collect what a logger, or the one of that name, is given.

    Examples
    --------
    >>> import logging
    >>> from thalweg.compat.streamz.testing import captured_logger
    >>> with captured_logger("of an example") as text:
    ...     logging.getLogger("of an example").warning("seen")
    >>> text.getvalue()
    'seen\\n'
    """
    if isinstance(logger, str):
        logger = logging.getLogger(logger)
    before = logger.level, logger.handlers[:], logger.propagate
    text = StringIO()
    logger.handlers[:] = [logging.StreamHandler(text)]
    logger.setLevel(level)
    if propagate is not None:
        logger.propagate = propagate
    try:
        yield text
    finally:
        logger.level, logger.handlers[:], logger.propagate = before


@pytest.fixture
def clean() -> None:
    """Forget the event loops on threads of their own, so that a test gets a new one."""
    for loop in list(_io_loops):
        loop.add_callback(loop.stop)
    del _io_loops[:]


def wait_for(
    predicate: Callable[[], Any], timeout: float, fail_func: Callable[[], Any] | None = None, period: float = 0.001
) -> None:
    """Wait, on this thread, until a condition holds; the test fails if it does not within `timeout` seconds.

    Examples
    --------
    >>> from thalweg.compat.streamz.testing import wait_for
    >>> wait_for(lambda: True, 1)
    """
    end = time.monotonic() + timeout
    while not predicate():
        time.sleep(period)
        _check_time(end, timeout, fail_func)


async def await_for(
    predicate: Callable[[], Any], timeout: float, fail_func: Callable[[], Any] | None = None, period: float = 0.001
) -> None:
    """Wait, on the event loop, until a condition holds; the test fails if it does not within `timeout` seconds.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.compat.streamz.testing import await_for
    >>> asyncio.run(await_for(lambda: True, 1))
    """
    end = time.monotonic() + timeout
    while not predicate():
        await asyncio.sleep(period)
        _check_time(end, timeout, fail_func)


def _check_time(end: float, timeout: float, fail_func: Callable[[], Any] | None) -> None:
    if time.monotonic() > end:
        if fail_func is not None:
            fail_func()
        pytest.fail(f"the condition did not hold within {timeout} seconds")


class metadata(Stream):
    """Sends the metadata of elements instead of the elements.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.compat.streamz.testing import metadata
    >>> source = Stream()
    >>> L = metadata(source).sink_to_list()
    >>> source.emit(1, metadata=[{"a": 2}])
    >>> L
    [[{'a': 2}]]
    """

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Send the metadata, if there is any."""
        return self._emit(metadata) if metadata else None
