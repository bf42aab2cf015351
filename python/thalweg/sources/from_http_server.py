"""Elements posted to a port."""

from __future__ import annotations

from thalweg.sources.http_server import HttpSource
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import RustSource


@Stream.register_api(staticmethod)
class from_http_server(HttpSource[bytes]):
    """Emit the body of every HTTP POST to a port.

    The answer says what came of it: 200 when the pipeline has taken it, 500 when it has failed, 503 when the pipeline
    is closing, or when there are as many requests in flight as may be.

    Parameters
    ----------
    port: int or None
        The port to listen on, while the source runs. With 0, any that is free: `port` says which, from then on. With
        None, it listens nowhere: :meth:`asgi` is a part of another server.
    path: str
        A regular expression for the paths to answer, the whole of them; others are answered with 404.
    server_kwargs: dict
        Those of Tornado's server that streamz is used with: ``address`` for `host`, ``max_body_size`` for `max_len`,
        ``max_header_size`` for `max_head`, ``body_timeout`` for `read_timeout`. For TLS that asks clients for
        certificates, ``ssl_options`` is a dict of ``certfile``, ``keyfile``, ``ca_certs`` and ``cert_reqs``.
    host: str
        The host name or address to listen at. Unless it is another one, only this machine can connect.
    max_len: int
        The longest body, in bytes. A longer one is answered with 413.
    max_head: int
        The longest head of a request, in bytes, 8 KiB at least. A longer one is answered with 431.
    read_timeout: number or text
        How long the head of a request may take, from the one before, and how long its body: seconds, or a length of
        time such as ``"500ms"``. A connection of HTTP/2 is closed when it has had no request for so long.
    time_limit: number or text
        How long the pipeline has for a request; after that, it is answered with 504. As long as it takes, unless it
        is given.
    max_connections: int
        How many connections there may be at a time. Others wait to be accepted. One of HTTP/2 may have 100 requests.
    max_in_flight: int
        How many requests may be in the pipeline at a time. One more is answered with 503 and ``Retry-After``.
    show_errors: bool
        Whether an answer with the status 500 has the text of the pipeline's error, in which there may be secrets.
    tls: pair of paths
        Speaks TLS, and nothing else, with the certificate and the key of these files, in PEM. Clients choose between
        HTTP/2 and HTTP/1.1; without TLS, those that begin with HTTP/2 are served by it.

    Raises
    ------
    TypeError
        `server_kwargs` has what is not understood.
    ValueError
        `path` is no regular expression, or a file of `tls` cannot be used.

    Examples
    --------
    >>> import asyncio, urllib.request
    >>> from thalweg import Stream
    >>> def post(port, body):
    ...     return urllib.request.urlopen(f"http://localhost:{port}/", data=body).read()
    >>> async def main():
    ...     source = Stream.from_http_server(0, asynchronous=True)
    ...     L = source.sink_to_list()
    ...     source.start()
    ...     answer = await asyncio.to_thread(post, source.port, b"hello")
    ...     await source.drain()
    ...     return answer, L
    >>> asyncio.run(main())
    (b'OK', [b'hello'])

    See Also
    --------
    from_http_requests
    """

    _takes_only_bodies = True

    def _make_source(self) -> RustSource:
        return self._server.bodies()
