"""The elements of an iterable."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from typing import Any

    from thalweg.sources.async_elements import AsyncElements
    from thalweg.sources.run import Run


@Stream.register_api(staticmethod)
class from_iterable(Source[T]):
    """Emit the elements of an iterable, or of an asynchronous one, such as an asynchronous generator.

    The next element is requested when the pipeline has taken the one before. An exception raised by the iterator ends
    the source, and is logged. An asynchronous iterator that is waiting when the source is stopped keeps waiting, and
    :meth:`start` continues with its result. Its ``aclose`` is called at its end, and when the pipeline is drained.

    Parameters
    ----------
    iterable: iterable or asynchronous iterable
        An object with both protocols is iterated over with ``for``, not with ``async for``.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream.from_iterable(range(3), asynchronous=True)
    ...     L = source.map(lambda x: x * 10).sink_to_list()
    ...     source.start()
    ...     await source.finished()
    ...     await source.drain()
    ...     return L
    >>> asyncio.run(main())
    [0, 10, 20]

    >>> async def countdown():
    ...     for x in (3, 2, 1):
    ...         await asyncio.sleep(0)
    ...         yield x
    >>> async def main():
    ...     source = Stream.from_iterable(countdown(), asynchronous=True)
    ...     L = source.sink_to_list()
    ...     source.start()
    ...     await source.finished()
    ...     return L
    >>> asyncio.run(main())
    [3, 2, 1]
    """

    def __init__(self, iterable: Iterable[T] | AsyncIterable[T], **kwargs: Any) -> None:
        self._async_elements: AsyncElements | None = None
        if hasattr(iterable, "__aiter__") and not hasattr(iterable, "__iter__"):
            from thalweg.sources.async_elements import AsyncElements

            self._async_elements = AsyncElements(iterable.__aiter__())
        elif hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__"):
            self._iterator = iter(iterable)  # type: ignore[arg-type]
        else:
            raise TypeError(f"from_iterable: `iterable` is something to iterate over, not {iterable!r}")
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit the remaining elements."""
        if self._async_elements is not None:
            await self._async_elements.send_all(self)
        else:
            await self._send_all(self._iterator)
        self.stopped = True

    def _end(self) -> Run | None:
        run = super()._end()
        if self._async_elements is not None and self._async_elements.is_left_waiting:
            # Only a run closes it.
            self.start()
            return self._run_state
        return run
