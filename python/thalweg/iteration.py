"""``async for x in stream``."""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from typing_extensions import Self

    from thalweg.stream import Stream


class Iteration:
    """The elements of a stream as they come; it ends when the pipeline is drained.

    Emitters wait until an element has been taken, but for as many as there is room for.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream(asynchronous=True)
    ...     async def feed():
    ...         for x in range(3):
    ...             await source.emit(x)
    ...         await source.drain()
    ...     feeding = asyncio.ensure_future(feed())
    ...     return [x async for x in source]
    >>> asyncio.run(main())
    [0, 1, 2]
    """

    ROOM = 16

    def __init__(self, stream: Stream) -> None:
        import asyncio

        self._queue: asyncio.Queue[Any] | None = asyncio.Queue(self.ROOM)
        self._sink = stream.sink(self._queue.put)
        self._loop = asyncio.get_running_loop()
        reference = weakref.ref(self)

        def end() -> None:
            iteration = reference()
            if iteration is not None:
                iteration._end()

        self._sink._drained = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._queue is None:
            raise StopAsyncIteration
        x = await self._queue.get()
        if x is _END:
            self._queue = None
            raise StopAsyncIteration
        return x

    async def aclose(self) -> None:
        """Take no more elements.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg import Stream
        >>> async def main():
        ...     source = Stream(asynchronous=True)
        ...     iteration = aiter(source)
        ...     await source.emit(1)
        ...     first = await anext(iteration)
        ...     await iteration.aclose()
        ...     return first, list(source.downstreams)
        >>> asyncio.run(main())
        (1, [])
        """
        if self._queue is not None:
            self._queue = None
            self._sink.destroy()

    def _end(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put_end)

    def _put_end(self) -> None:
        if self._queue is not None:
            # There is room again as soon as somebody asks for the next element.
            self._ending = self._loop.create_task(self._queue.put(_END))

    def __del__(self) -> None:
        if self._queue is not None and self._sink.upstreams:
            self._sink.destroy()


_END = object()
