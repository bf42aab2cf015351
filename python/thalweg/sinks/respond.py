"""Responses to HTTP requests."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.http.response import take_apart
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import OnError, Placement


@Stream.register_api()
class respond(Sink[T]):
    """Send each element as the response to its request, downstream of :class:`from_http_requests`.

    Text is sent as text, bytes as they are, ``None`` as an empty body with the status 204, an
    :class:`~thalweg.http.HttpResponse` as it is, and everything else as JSON. A pair of a number and one of these has
    that status.

    An element finds its request by its token, through any operators in between. A request that became several elements
    is answered with the first. An element derived from several requests, such as a window, answers all of them. A
    request whose elements were all dropped, for example by a filter, is answered with 204; a failed one with 500.

    Parameters
    ----------
    on_error:
        See :class:`~thalweg.Stream`. An element that cannot be written as JSON, or has no request, is a failure.

    Examples
    --------
    >>> from thalweg import Stream
    >>> requests = Stream.from_http_requests(0)
    >>> requests.map(lambda request: request.text().upper()).respond()
    <respond>

    See Also
    --------
    from_http_requests
    """

    def __init__(self, upstream: Stream[T], *, on_error: OnError = None, **kwargs: Any) -> None:
        super().__init__(upstream, on_error=on_error, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.respond(placement, take_apart)
