"""What the sources that listen at a port have in common."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import HttpServer, RustSource, TcpServer, WebSocketServer


class ListeningSource(Source[T]):
    """Base of the sources that listen at a port. It is listened at from `start` on, and `port` is the real one then."""

    _server: HttpServer | TcpServer | WebSocketServer
    _source: RustSource
    port: int
    #: What listens, while something does.
    server: HttpServer | TcpServer | WebSocketServer | None = None

    def start(self) -> None:
        """Listen at the port, and have the source run: whoever connects from now on is served.

        Raises
        ------
        OSError
            It cannot listen there.
        """
        if self.stopped:
            # Also where a run before has not ended yet: it does not listen any more.
            self._listen()
        super().start()

    def stop(self) -> None:
        """Have the source stop; what others have sent by then is still emitted, or answered."""
        super().stop()
        if self._server.release():
            # It has not run.
            self.server = None

    def _listen(self) -> None:
        self._open()
        self.server = self._server

    def _open(self) -> None:
        self.port = self._server.listen()

    async def run(self) -> None:
        """Serve until stopped."""
        self._listen()
        try:
            await self._run_in_rust(self._source)
        finally:
            self.server = None
