"""``async for x in stream``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import suppress

from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from typing_extensions import Self

    from thalweg.stream import Stream


class Iteration(AsyncIterator[T]):
    """Iteration over the elements of a stream; it ends when the pipeline is drained.

    Emitters wait while the iterator's queue is full.

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

    def __init__(self, stream: Stream[T]) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        self._mailbox = mailbox = _Mailbox()
        self._sink = stream.sink(mailbox.put)

        def drained() -> None:
            # Called on the thread that drains the pipeline; the drain waits for the iterating task.
            if not loop.is_closed():
                loop.call_soon_threadsafe(lambda: loop.create_task(mailbox.end()))

        self._sink._drained = drained

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        x: T = await self._mailbox.get()
        if x is _END:
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
        self._close()

    def _close(self) -> None:
        # Releases emitters that wait for room.
        self._mailbox.close()
        if self._sink.upstreams:
            self._sink.destroy()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            # The collector may have freed the pipeline first: there is nothing left to close.
            with suppress(RuntimeError):
                self._close()


def iterate(stream: Stream[T]) -> Iteration[T]:
    """Iterate over the elements of a pipeline on the running loop; emitters wait there for room.

    Raises
    ------
    RuntimeError
        The pipeline runs on another loop, or no loop is running.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> from thalweg.stream.iteration import iterate
    >>> async def main():
    ...     source = Stream(asynchronous=True)
    ...     iteration = iterate(source)
    ...     await source.emit(1)
    ...     return await anext(iteration)
    >>> asyncio.run(main())
    1
    """
    import asyncio

    loop = asyncio.get_running_loop()
    if stream._event_loop is None and stream.asynchronous is None:
        stream._set_asynchronous(True)
    if stream.asynchronous:
        stream._follow_loop()
    if stream._event_loop is not loop:
        raise RuntimeError(
            "async for: the pipeline does not run on this event loop: make it with `Stream(asynchronous=True)` "
            "inside a coroutine, or iterate on its own loop"
        )
    return Iteration(stream)


class _Mailbox:
    """State shared by a stream and its iterator."""

    ROOM = 16

    def __init__(self) -> None:
        import asyncio

        self._queue: asyncio.Queue[Any] = asyncio.Queue(self.ROOM)
        self._is_closed = False

    async def put(self, x: Any) -> None:
        if not self._is_closed:
            await self._queue.put(x)

    async def get(self) -> Any:
        if self._is_closed and self._queue.empty():
            return _END
        x = await self._queue.get()
        if x is _END:
            self._is_closed = True
        return x

    async def end(self) -> None:
        """No more elements will be added."""
        await self.put(_END)

    def close(self) -> None:
        self._is_closed = True
        while not self._queue.empty():
            self._queue.get_nowait()


_END = object()
