"""Engines, by the names that rapidz's module ``clients`` has for them."""

from __future__ import annotations

from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, ThreadPoolExecutor

__all__ = [
    "DEFAULT_BACKENDS",
    "FILL_COLOR_LOOKUP",
    "dask_default_client",
    "delayed_execution",
    "executor_to_client",
    "result_maybe",
    "thread_default_client",
]

FILL_COLOR_LOOKUP = {"dask": "cornflowerblue", "threads": "coral"}


def thread_default_client() -> ThreadPoolExecutor:
    """Return the executor that all share; a new one if it has been shut down.

    Examples
    --------
    >>> from thalweg.compat.rapidz.clients import thread_default_client
    >>> thread_default_client() is thread_default_client()
    True
    """
    from thalweg.parallel.backends import shared_pool

    return shared_pool()


def dask_default_client() -> Any:
    """Return the Dask client that is active.

    Raises
    ------
    ValueError
        There is none.

    Examples
    --------
    >>> from thalweg.compat.rapidz.clients import dask_default_client
    >>> dask_default_client()
    Traceback (most recent call last):
    ValueError: No clients found
    Start a client and point it to the scheduler address
      from distributed import Client
      client = Client('ip-addr-of-scheduler:8786')
    """
    from distributed import default_client

    return default_client()


#: What ``scatter(backend=...)`` is given a name for.
DEFAULT_BACKENDS: dict[str, Callable[[], Any]] = {"dask": dask_default_client, "thread": thread_default_client}


def executor_to_client(executor: Executor) -> Executor:
    """Return the executor: `scatter` takes it as it is.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.compat.rapidz import Stream
    >>> from thalweg.compat.rapidz.clients import executor_to_client
    >>> with ThreadPoolExecutor(2) as pool:
    ...     client = executor_to_client(pool)
    ...     source = Stream()
    ...     L = source.scatter(backend=lambda: client).map(abs).gather().sink_to_list()
    ...     source.emit(-1)
    ...     L
    [1]
    """
    return executor


def result_maybe(future_maybe: Any) -> Any:
    """Return what a future came to, also within a list, a tuple or a dict; anything else as it is.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> from thalweg.compat.rapidz.clients import result_maybe
    >>> future = Future()
    >>> future.set_result(2)
    >>> result_maybe([1, (future, "a"), {"b": future}])
    [1, (2, 'a'), {'b': 2}]
    """
    from concurrent.futures import Future

    if isinstance(future_maybe, Future):
        return future_maybe.result()
    if isinstance(future_maybe, (list, tuple)):
        return type(future_maybe)(result_maybe(each) for each in future_maybe)
    if isinstance(future_maybe, dict):
        return {key: result_maybe(value) for key, value in future_maybe.items()}
    return future_maybe


def delayed_execution(func: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function get the results of futures among its arguments.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> from thalweg.compat.rapidz.clients import delayed_execution
    >>> future = Future()
    >>> future.set_result(-2)
    >>> delayed_execution(abs)(future)
    2
    """
    from functools import wraps

    @wraps(func)
    def called(*args: Any, **kwargs: Any) -> Any:
        return func(
            *(result_maybe(each) for each in args), **{name: result_maybe(each) for name, each in kwargs.items()}
        )

    return called
