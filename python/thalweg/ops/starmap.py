"""The operator :class:`~thalweg.starmap`."""

from __future__ import annotations

from thalweg.ops.map import map
from thalweg.stream import Stream
from thalweg.stream.typevars import S, U, V

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, overload

    from thalweg._types import Emits, OnError


@Stream.register_api()
class starmap(map[U]):
    """Apply a function to every element, unpacked: ``func(*x, *args)``.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after those of the element.
    on_error:
        See :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.starmap(lambda a, b: a + b).sink_to_list()
    >>> source.emit((1, 10))
    >>> L
    [11]
    """

    _splayed = True

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: starmap[U],
            upstream: Emits[tuple[S, V]],
            func: Callable[[S, V], U],
            *,
            on_error: OnError = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: starmap[U],
            upstream: Stream[Any],
            func: Callable[..., Coroutine[Any, Any, U]],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...

        @overload
        def __init__(
            self: starmap[U],
            upstream: Stream[Any],
            func: Callable[..., U],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
