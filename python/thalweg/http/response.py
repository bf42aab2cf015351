"""HTTP responses."""

from __future__ import annotations

from thalweg.http.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any


class HttpResponse(Message):
    """An HTTP response: received from a server, or to be sent.

    Parameters
    ----------
    body: bytes or str, or what can be written as JSON
        The body.
    status: int
        The status: 200 for success.
    headers: dict
        The headers, with names in lower case. Without a ``content-type``, the type of the body decides.
    url: str
        The URL it came from, after redirects. Empty for a response to be sent.
    file: path
        File with the body, if the request asked for one.

    Examples
    --------
    >>> from thalweg.http import HttpResponse
    >>> HttpResponse("no such room", 404)
    <HttpResponse 404: 12 bytes>
    >>> HttpResponse({"celsius": 20.5}).json()
    {'celsius': 20.5}
    """

    __slots__ = ("file", "headers", "status", "url")

    status: int
    headers: dict[str, str]
    url: str
    file: Path | None

    def __init__(
        self,
        body: Any = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        url: str = "",
        file: Path | None = None,
    ) -> None:
        self.headers = dict(headers or {})
        self.status = status
        self.url = url
        self.file = file
        content_type = None
        if isinstance(body, str):
            body, content_type = body.encode(), "text/plain; charset=utf-8"
        elif isinstance(body, (bytearray, memoryview)):
            body = bytes(body)
        elif not isinstance(body, bytes):
            import json

            # What `json` makes of `nan` is no JSON, and other parsers refuse it.
            body, content_type = json.dumps(body, allow_nan=False).encode(), "application/json"
        self.body = body
        if content_type is not None and not any(name.lower() == "content-type" for name in self.headers):
            self.headers["content-type"] = content_type

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}: {len(self.body)} bytes>"

    def __reduce__(self) -> tuple[type[HttpResponse], tuple[Any, ...]]:
        return type(self), (self.body, self.status, self.headers, self.url, self.file)

    @property
    def ok(self) -> bool:
        """Whether the status is from 200 to 299.

        Examples
        --------
        >>> from thalweg.http import HttpResponse
        >>> HttpResponse("no such room", 404).ok
        False
        """
        return 200 <= self.status < 300


def take_apart(x: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body to answer a request with.

    Examples
    --------
    >>> from thalweg.http.response import take_apart
    >>> take_apart({"celsius": 20.5})
    (200, [('content-type', 'application/json')], b'{"celsius": 20.5}')
    >>> take_apart((404, "no such room"))
    (404, [('content-type', 'text/plain; charset=utf-8')], b'no such room')
    >>> take_apart(None)
    (204, [], b'')
    """
    if x is None:
        return 204, [], b""
    if isinstance(x, tuple) and len(x) == 2 and type(x[0]) is int:
        status, body = x
        response = body if isinstance(body, HttpResponse) else HttpResponse(b"" if body is None else body)
    else:
        response = x if isinstance(x, HttpResponse) else HttpResponse(x)
        status = response.status
    if type(status) is not int or not 200 <= status <= 999:
        raise ValueError(f"respond: a status is a number from 200 to 999, not {status!r}")
    headers = response.headers.items()
    # The length of the body is known, and it is sent in one piece.
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_THE_CONNECTION]
    return status, kept, response.body


_OF_THE_CONNECTION = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
