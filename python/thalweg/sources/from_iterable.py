"""The elements of an iterable."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


@Stream.register_api(staticmethod)
class from_iterable(Source[T]):
    """Emit the elements of an iterable.

    Parameters
    ----------
    iterable: iterable

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
    """

    def __init__(self, iterable: Iterable[T], **kwargs: Any) -> None:
        self._iterator = iter(iterable)
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit what is left."""
        await self._send_all(self._iterator)
        self.stopped = True
