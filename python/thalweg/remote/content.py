"""A file that was read."""

from __future__ import annotations

from thalweg.http.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


class RemoteContent(Message):
    """A file that was read by :class:`~thalweg.ops.read_url`.

    Parameters
    ----------
    url: str
        The URL as given.
    body: bytes
        The content; empty if it is in a local file.
    file: path
        The local file with the content, if one was requested.
    size: int
        The length of the content, in bytes.
    etag: str
        Identifies the version of the file, if its system provides that.

    Examples
    --------
    >>> from thalweg.remote import RemoteContent
    >>> content = RemoteContent("s3://readings/today.json", b"[20.5]", None, 6, None)
    >>> content, content.json()
    (<RemoteContent s3://readings/today.json: 6 bytes>, [20.5])
    """

    __slots__ = ("etag", "file", "size", "url")

    url: str
    file: Path | None
    size: int
    etag: str | None

    def __init__(self, url: str, body: bytes, file: Path | None, size: int, etag: str | None) -> None:
        self.url = url
        self.body = body
        self.file = file
        self.size = size
        self.etag = etag

    def __repr__(self) -> str:
        return f"<RemoteContent {shown(self.url)}: {self.size} bytes>"

    def __reduce__(self) -> tuple[type[RemoteContent], tuple[Any, ...]]:
        return type(self), (self.url, self.body, self.file, self.size, self.etag)


def shown(url: str) -> str:
    """Return a URL without user, password and query, which may be secret.

    Examples
    --------
    >>> from thalweg.remote.content import shown
    >>> shown("ftp://anna:secret@host/a.txt?b")
    'ftp://host/a.txt'
    """
    scheme, mark, rest = url.split("?")[0].split("#")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rsplit('@')[-1]}{slash}{path}"
