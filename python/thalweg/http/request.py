"""A request over HTTP."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class HttpRequest:
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

    Examples
    --------
    >>> from thalweg.http import HttpRequest
    >>> request = HttpRequest("POST", "/readings?room=3", {"content-type": "application/json"}, b"[20.5]")
    >>> request
    <HttpRequest POST /readings?room=3>
    >>> request.path, request.query, request.json()
    ('/readings', {'room': '3'}, [20.5])
    """

    __slots__ = ("body", "headers", "method", "url")

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def __init__(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | str = b""
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers if type(headers) is dict else dict(headers or {})
        self.body = body.encode() if isinstance(body, str) else body

    def __repr__(self) -> str:
        # What is before the host, and behind the path, may be secret in the URL of a request to send.
        shown = self.url if self.url.startswith("/") else self.url.split("?")[0].rsplit("@")[-1]
        return f"<HttpRequest {self.method} {shown}>"

    def __reduce__(self) -> tuple[type[HttpRequest], tuple[str, str, dict[str, str], bytes]]:
        return type(self), (self.method, self.url, self.headers, self.body)

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

    def text(self) -> str:
        """Return the body as text; what is not UTF-8 becomes U+FFFD.

        Examples
        --------
        >>> from thalweg.http import HttpRequest
        >>> HttpRequest("POST", "/", body="Grüße").text()
        'Grüße'
        """
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return what the body is as JSON.

        Raises
        ------
        json.JSONDecodeError
            It is none.

        Examples
        --------
        >>> from thalweg.http import HttpRequest
        >>> HttpRequest("POST", "/", body='{"celsius": 20.5}').json()
        {'celsius': 20.5}
        """
        import json

        return json.loads(self.body)
