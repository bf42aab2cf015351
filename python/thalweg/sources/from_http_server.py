"""Bodies posted by HTTP."""

from __future__ import annotations

from thalweg.sources.http_server import HttpSource
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import RustSource


@Stream.register_api(staticmethod)
class from_http_server(HttpSource[bytes]):
    """Emit the body of every HTTP POST to a port.

    The answer is 200 when the pipeline has accepted it, 500 if it failed, and 503 if the pipeline is closing, or too
    many requests are in flight.

    Parameters
    ----------
    port: int or None
        The port to listen on while the source runs; 0 takes any free port, which `port` then returns. With None, it
        does not listen: :meth:`asgi` is a part of another server.
    path: str
        A regular expression that the whole path must match; otherwise the answer is 404.
    server_kwargs: dict
        Arguments of Tornado's server, for programs written for streamz: ``address`` for `host`, ``max_body_size`` for
        `max_len`, ``max_header_size`` for `max_head`, ``body_timeout`` for `read_timeout`. For TLS with client
        certificates, ``ssl_options`` is a dict of ``certfile``, ``keyfile``, ``ca_certs`` and ``cert_reqs``.
    host: str
        The host name or address to listen on. By default only this machine can connect.
    max_len: int
        Maximum size of a body, in bytes. A larger one is answered with 413.
    max_head: int
        Maximum size of a request's head, in bytes, at least 8 KiB. A larger one is answered with 431.
    read_timeout: number or text
        Timeout of a request's head, from the request before, and of its body: seconds, or a duration such as
        ``"500ms"``. An HTTP/2 connection without a request for this time is closed.
    time_limit: number or text
        Time limit of the pipeline for a request; after that, it is answered with 504. No limit by default.
    max_connections: int
        Maximum number of connections; others wait to be accepted. An HTTP/2 connection may have 100 concurrent
        requests.
    max_in_flight: int
        Maximum number of requests in the pipeline. Further ones are answered with 503 and ``Retry-After``.
    show_errors: bool
        Whether answers with the status 500 contain the error's message, which may contain secrets.
    tls: pair of paths
        Accepts TLS only, with the certificate and the key in these PEM files. Clients choose between HTTP/2 and
        HTTP/1.1; without TLS, HTTP/2 is served to clients that start with it.

    Raises
    ------
    TypeError
        An argument in `server_kwargs` is not supported.
    ValueError
        `path` is not a regular expression, or a file of `tls` cannot be used.

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
