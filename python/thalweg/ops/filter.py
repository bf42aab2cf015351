"""The operator :class:`~thalweg.filter`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_runs, is_awaited
from thalweg.stream.live import LiveFunction
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate, overload

    from thalweg._types import Function, OnError, Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class filter(Stream[T]):
    """Pass on only the elements that satisfy the predicate.

    An ``async def`` is awaited: one call at a time, while the emitter waits.

    Parameters
    ----------
    predicate: callable or None
        None passes elements that are true.
    *args:
        Positional arguments for `predicate`, after the element.
    on_error:
        See :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `predicate`; and ``stream_name``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.filter(lambda x: x % 2 == 0).sink_to_list()
    >>> source.emit_many(range(5))
    >>> L
    [0, 2, 4]
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    predicate: Any = LiveFunction()

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            upstream: Stream[T],
            predicate: Callable[[T], object] | None,
            *,
            on_error: OnError = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self,
            upstream: Stream[T],
            predicate: Callable[Concatenate[T, ...], object],
            *args: Any,
            on_error: OnError = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(
        self, upstream: Stream[T], predicate: Function | None, *args: Any, on_error: OnError = None, **kwargs: Any
    ) -> None:
        if predicate is not None:
            check_runs(predicate, "filter", "predicate")
        stream_name = kwargs.pop("stream_name", None)
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)

    def _build(self, placement: Placement) -> None:
        awaited = is_awaited(self.predicate)
        _thalweg.ops.filter(placement, self.predicate, self.args, self.kwargs, awaited=awaited)

    def _written(self, code: Code) -> bool | str:
        if is_awaited(self.predicate):
            return "its results are awaited"
        if self.predicate is None:
            return code.keeps(code.x)
        return code.keeps(code.call(self.predicate, code.x, args=self.args, kwargs=self.kwargs))
