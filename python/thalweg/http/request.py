"""A request over HTTP."""

from __future__ import annotations

from thalweg.http.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any


class HttpRequest(Message):
    """A request over HTTP: one that a server got, or one to send.

    Parameters
    ----------
    method: str
        ``"GET"``, ``"POST"`` and others.
    url: str
        The URL. Of a request that a server got, the path and the query.
    headers: dict
        The headers, their names in lower case. What came several times is one, separated by commas.
    body: bytes or str
        The body.
    file: str or path
        For :class:`~thalweg.ops.fetch`: the file that the response's body goes to, as it comes. Whoever opens it finds
        all of it, or what was there before.

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
        # What is before the host, and behind the path, may be secret in the URL of a request to send.
        shown = self.url if self.url.startswith("/") else self.url.split("?")[0].rsplit("@")[-1]
        return f"<HttpRequest {self.method} {shown}>"

    def __reduce__(self) -> tuple[type[HttpRequest], tuple[Any, ...]]:
        return type(self), (self.method, self.url, self.headers, self.body, self.file)

    @property
    def path(self) -> str:
        """The path of the URL, percent-encoded as it came.

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
        """What follows the ``?`` of the URL; of a name that comes several times, the last value.

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
