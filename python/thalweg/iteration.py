"""``async for x in stream``."""

from __future__ import annotations


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

    def __init__(self, stream):
        import asyncio

        self._queue = asyncio.Queue(self.ROOM)
        self._sink = stream.sink(self._queue.put)
        self._loop = asyncio.get_running_loop()
        self._sink._at_end = self._end

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._queue is None:
            raise StopAsyncIteration
        x = await self._queue.get()
        if x is _END:
            self._queue = None
            raise StopAsyncIteration
        return x

    async def aclose(self):
        """Take no more elements."""
        if self._queue is not None:
            self._queue = None
            self._sink.destroy()

    def _end(self):
        # Called by whoever drains the pipeline, on any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put_end)

    def _put_end(self):
        import asyncio

        if self._queue is not None:
            # There is room as soon as somebody asks for the next element.
            self._putting = asyncio.ensure_future(self._queue.put(_END))

    def __del__(self):
        if self._queue is not None and self._sink.upstreams:
            self._sink.destroy()


_END = object()
