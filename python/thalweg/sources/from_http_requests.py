"""Requests to a port, which the pipeline answers."""

from __future__ import annotations

from thalweg.http import HttpRequest
from thalweg.sources.http_server import HttpSource
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import RustSource


@Stream.register_api(staticmethod)
class from_http_requests(HttpSource[HttpRequest]):
    """Emit the requests that come to a port; what comes to :class:`respond` is their response.

    A request is answered with 500 when the pipeline has failed on it, with 204 when it has dropped it, with 504 when
    there was no response within `time_limit`, with 503 when it is closing, or when there are as many requests in flight
    as may be.

    Parameters
    ----------
    port: int or None
        The port to listen on, while the source runs. With 0, any that is free: `port` says which, from then on. With
        None, it listens nowhere: :meth:`asgi` is a part of another server.
    path: str
        A regular expression for the paths to answer, the whole of them; others are answered with 404.
    time_limit: number or text
        How long the pipeline has for a request: a minute, unless it is given.
    **kwargs:
        Those of :class:`from_http_server`.

    Examples
    --------
    >>> import asyncio, urllib.request
    >>> from thalweg import Stream
    >>> def get(port, path):
    ...     return urllib.request.urlopen(f"http://localhost:{port}{path}").read()
    >>> async def main():
    ...     requests = Stream.from_http_requests(0, asynchronous=True)
    ...     node = requests.map(lambda request: {"hello": request.query["name"]}).respond()
    ...     requests.start()
    ...     answer = await asyncio.to_thread(get, requests.port, "/?name=river")
    ...     await requests.drain()
    ...     return answer
    >>> asyncio.run(main())
    b'{"hello": "river"}'

    See Also
    --------
    from_http_server, respond
    """

    def _make_source(self) -> RustSource:
        return self._server.requests(HttpRequest)
