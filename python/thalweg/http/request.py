"""HTTP requests."""

from __future__ import annotations

from thalweg.http.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any


class HttpRequest(Message):
    """An HTTP request: received by a server, or to be sent.

    Parameters
    ----------
    method: str
        ``"GET"``, ``"POST"`` and others.
    url: str
        The URL. For a received request, path and query only.
    headers: dict
        The headers, with names in lower case. Repeated ones are joined by commas.
    body: bytes or str
        The body.
    file: str or path
        For :class:`~thalweg.ops.fetch`: file to write the response's body to as it arrives. Readers of the file see
        either all of it or its previous content.

    Examples
    --------
    >>> from thalweg.http import HttpRequest
    >>> request = HttpRequest("POST", "/readings?room=3", {"content-type": "application/json"}, b"[20.5]")
    >>> request
    <HttpRequest POST /readings?room=3>
    >>> request.path, request.query, request.json()
    ('/readings', {'room': '3'}, [20.5])
    """

    __slots__ = ("file", "headers", "method", "url")

    method: str
    url: str
    headers: dict[str, str]
    file: str | PathLike[str] | None

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        file: str | PathLike[str] | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers if type(headers) is dict else dict(headers or {})
        self.body = body.encode() if isinstance(body, str) else body
        self.file = file

    def __repr__(self) -> str:
        # User, password and query may be secret in a request to be sent.
        shown = self.url if self.url.startswith("/") else self.url.split("?")[0].rsplit("@")[-1]
        return f"<HttpRequest {self.method} {shown}>"

    def __reduce__(self) -> tuple[type[HttpRequest], tuple[Any, ...]]:
        return type(self), (self.method, self.url, self.headers, self.body, self.file)

    @property
    def path(self) -> str:
        """The path of the URL, percent-encoded as received.

        Examples
        --------
        >>> from thalweg.http import HttpRequest
        >>> HttpRequest("GET", "http://localhost/a%20b?c").path
        '/a%20b'
        """
        from urllib.parse import urlsplit

        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL's query; for a repeated name, the last value.

        Examples
        --------
        >>> from thalweg.http import HttpRequest
        >>> HttpRequest("GET", "/search?q=river+bed&page=2").query
        {'q': 'river bed', 'page': '2'}
        """
        from urllib.parse import parse_qsl, urlsplit

        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


def take_apart(x: Any) -> tuple[str, str, list[tuple[str, str]], bytes, Any]:
    """Return method, URL, headers, body and file of a request.

    Examples
    --------
    >>> from thalweg.http.request import HttpRequest, take_apart
    >>> take_apart(HttpRequest("PUT", "http://localhost/", {"Accept": "text/plain"}, "a"))
    ('PUT', 'http://localhost/', [('Accept', 'text/plain')], b'a', None)
    >>> take_apart(80)
    Traceback (most recent call last):
    TypeError: fetch: an element is a URL or an HttpRequest, not 80
    """
    if not isinstance(x, HttpRequest):
        raise TypeError(f"fetch: an element is a URL or an HttpRequest, not {x!r}")
    return x.method, x.url, list(x.headers.items()), bytes(x.body), x.file
