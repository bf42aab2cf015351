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

    def __init__(self, stream):
        self._mailbox = _Mailbox()
        self._sink = stream.sink(self._mailbox.put)
        self._sink._on_end = self._mailbox.end

    def __aiter__(self):
        return self

    async def __anext__(self):
        x = await self._mailbox.get()
        if x is _END:
            raise StopAsyncIteration
        return x

    async def aclose(self):
        """Take no more elements."""
        self.__del__()

    def __del__(self):
        # Whoever waits for room is let go.
        self._mailbox.close()
        if self._sink.upstreams:
            self._sink.destroy()


class _Mailbox:
    """What the stream and the iteration over it share."""

    ROOM = 16

    def __init__(self):
        import asyncio

        self._queue = asyncio.Queue(self.ROOM)
        self._is_closed = False

    async def put(self, x):
        if not self._is_closed:
            await self._queue.put(x)

    async def get(self):
        if self._is_closed and self._queue.empty():
            return _END
        x = await self._queue.get()
        if x is _END:
            self._is_closed = True
        return x

    async def end(self):
        """Everything has been put in."""
        await self.put(_END)

    def close(self):
        self._is_closed = True
        while not self._queue.empty():
            self._queue.get_nowait()


_END = object()
