"""The operator :class:`~thalweg.core.map_async`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.functions import check_callable, check_count
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Function, OnError


@Stream.register_api()
class map_async(Stream):
    """Apply an async function to every element in the stream, several at a time, in order.

    The emitter goes on as soon as the call has begun, or waits for a place. A call that fails is
    logged, and its element dropped, unless `on_error` says otherwise.

    Parameters
    ----------
    func: async callable
    *args:
        Positional arguments for `func`, after the element.
    parallelism: int
        How many calls wait behind the one whose turn it is: as in streamz, one more runs.
    stop_on_exception: bool
        Whether the sources above are stopped when a call fails.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def multiply(x, factor=1):
    ...     return factor * x
    >>> async def main():
    ...     source = Stream(asynchronous=True)
    ...     L = source.map_async(multiply, factor=2).sink_to_list()
    ...     for x in range(3):
    ...         await source.emit(x)
    ...     await source.drain()
    ...     return L
    >>> asyncio.run(main())
    [0, 2, 4]
    """

    def __init__(
        self,
        upstream: Stream,
        func: Function,
        *args: Any,
        parallelism: int = 1,
        stop_on_exception: bool = False,
        on_error: OnError = "skip",
        **kwargs: Any,
    ) -> None:
        check_callable(func, "map_async", "func")
        self._calls = check_count(parallelism, "map_async", "parallelism") + 1
        stream_name = kwargs.pop("stream_name", None)
        self.func, self.args, self.kwargs = func, args, kwargs
        self.stop_on_exception = stop_on_exception
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)

    def _blueprint(self) -> _thalweg.Blueprint:
        func = _stopping(self.func, self) if self.stop_on_exception else self.func
        return _thalweg.ops.map_async(func, self.args, self.kwargs, self._calls)


def _stopping(func: Function, node: Stream) -> Function:
    """Have `func` stop the sources above `node` when it fails."""
    import weakref

    reference = weakref.ref(node)

    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await func(*args, **kwargs)
        except Exception:
            node = reference()
            if node is not None:
                node.stop()
            raise

    return call
