"""Calling a function with batches of elements."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.sink import _STREAM_ARGUMENTS, Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_runs, is_async_def
from thalweg.stream.live import LiveFunction
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate

    from thalweg._types import OnError, Placement


@Stream.register_api()
class sink_batches(Sink[T]):
    """Call a function with lists of elements: those that have arrived during the call before.

    Elements that arrive while no call is running are passed on at once. Up to `max_len` elements wait during a call;
    then emitters wait for room. An element is acknowledged when its batch is done. A failed batch is retried in halves,
    so that in the end only the elements fail that cannot be written: a function that raises must have written nothing
    of its batch, or tolerate repetition. ``drain`` waits for the last batch.

    Parameters
    ----------
    func: callable
        Takes a list. An awaitable result is awaited.
    *args:
        Positional arguments for `func`, after the list.
    max_len: int
        Maximum elements per batch.
    on_error:
        How to handle an element that cannot be written, see :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `func`; and those of :class:`~thalweg.Stream`.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> batches = []
    >>> async def write(batch):
    ...     await asyncio.sleep(0.001)
    ...     batches.append(batch)
    >>> async def main():
    ...     async with Stream(asynchronous=True) as source:
    ...         source.sink_batches(write)
    ...         await source.emit_many(range(5))
    >>> asyncio.run(main())
    >>> batches
    [[0], [1, 2, 3, 4]]

    One that cannot be written does not take others along:

    >>> def send(batch):
    ...     if None in batch:
    ...         raise ValueError("nothing to send")
    ...     print(batch)
    >>> source = Stream()
    >>> node = source.sink_batches(send, on_error="skip")
    >>> source.emit_many([1, 2, None, 3])
    [1]
    [2]
    [3]

    See Also
    --------
    sink, partition
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    func: Any = LiveFunction()

    def __init__(
        self,
        upstream: Stream[T],
        func: Callable[Concatenate[list[T], ...], object],
        *args: Any,
        max_len: int = 4096,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> None:
        check_runs(func, "sink_batches", "func")
        self._max_len = check_count(max_len, "sink_batches", "max_len")
        ours = {name: kwargs.pop(name) for name in _STREAM_ARGUMENTS if name in kwargs}
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, on_error=on_error, **ours)

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.sink_batches(placement, self.func, self.args, self.kwargs, is_async_def(self.func), self._max_len)
