"""The base of sources that acknowledge messages at a server."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from thalweg._thalweg.sources import RustSource
    from thalweg.stream import Stream

    class Closer(Protocol):
        """Acknowledges finished messages, and disconnects."""

        def close(self) -> None:
            """Do both."""


class AcknowledgingSource(Source[T]):
    """Base of sources that acknowledge finished messages, and disconnect at the end of a drain."""

    _elements: RustSource
    _closer: Closer

    async def run(self) -> None:
        """Emit elements until stopped."""
        await self._run_in_rust(self._elements)

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect this stream from its upstreams (it has none); acknowledge finished messages, and disconnect."""
        super().destroy(streams)
        self.stop()
        self._closer.close()

    def _finish(self) -> None:
        self._closer.close()
