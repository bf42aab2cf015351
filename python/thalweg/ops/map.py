"""The operator :class:`~thalweg.map`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, check_count, is_awaited
from thalweg.stream.live import LiveFunction
from thalweg.stream.typevars import T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Concatenate, overload

    from thalweg._types import Function, OnError, Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class map(Stream[U]):
    """Apply a function to every element in the stream.

    An ``async def`` is awaited: one call at a time, while the emitter waits. With `concurrency`, several calls run at a
    time; each emitter waits for its own call, and gets its error.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    on_error:
        See :class:`~thalweg.Stream`.
    concurrency: int
        Maximum number of concurrent calls of an ``async def``. Results are emitted in the order of completion.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.map(lambda x: 2 * x).sink_to_list()
    >>> for x in range(3):
    ...     source.emit(x)
    >>> L
    [0, 2, 4]
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    func: Any = LiveFunction()

    _splayed = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: map[U],
            upstream: Stream[T],
            func: Callable[[T], Coroutine[Any, Any, U]],
            *,
            on_error: OnError = None,
            concurrency: int | None = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: map[U],
            upstream: Stream[T],
            func: Callable[[T], U],
            *,
            on_error: OnError = None,
            concurrency: int | None = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: map[U],
            upstream: Stream[T],
            func: Callable[Concatenate[T, ...], Coroutine[Any, Any, U]],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...

        @overload
        def __init__(
            self: map[U],
            upstream: Stream[T],
            func: Callable[Concatenate[T, ...], U],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(
        self,
        upstream: Stream[T],
        func: Function,
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, type(self).__name__, "func")
        self._concurrency = (
            None if concurrency is None else check_count(concurrency, type(self).__name__, "concurrency")
        )
        stream_name = kwargs.pop("stream_name", None)
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.map(
            placement,
            self.func,
            self.args,
            self.kwargs,
            splayed=self._splayed,
            awaited=is_awaited(self.func),
            concurrency=self._concurrency,
        )

    def _written(self, code: Code) -> bool | str:
        if self._concurrency is not None or is_awaited(self.func):
            return "its results are awaited"
        x = f"*{code.x}" if self._splayed else code.x
        return code.sends(code.call(self.func, x, args=self.args, kwargs=self.kwargs))
