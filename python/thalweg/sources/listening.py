"""The base of sources that listen on a port."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import HttpServer, RustSource, TcpServer, WebSocketServer


class ListeningSource(Source[T]):
    """Base of sources that listen on a port, from `start` on; then `port` is the actual one."""

    _server: HttpServer | TcpServer | WebSocketServer
    _source: RustSource
    port: int
    #: The listener, while there is one.
    server: HttpServer | TcpServer | WebSocketServer | None = None

    def start(self) -> None:
        """Listen on the port, and start the source: clients that connect from now on are served.

        Raises
        ------
        OSError
            The address cannot be listened on.
        """
        if self.stopped:
            # Also if an earlier run has not ended yet: it no longer listens.
            self._listen()
        try:
            super().start()
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Stop the source; messages received by then are still emitted, or answered."""
        super().stop()
        self._release()

    def _release(self) -> None:
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
