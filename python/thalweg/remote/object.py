"""A file to write."""

from __future__ import annotations

from os import fspath

from thalweg.remote.content import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any


class RemoteObject:
    """A file to write by :class:`~thalweg.sinks.write_url`: its URL and its content.

    Parameters
    ----------
    url: str
        The URL.
    body: bytes or str
        The content, unless it is in a local file.
    file: str or path
        The local file with the content; it is read in parts.

    Examples
    --------
    >>> from thalweg.remote import RemoteObject
    >>> RemoteObject("s3://readings/2026.parquet", file="2026.parquet")
    <RemoteObject s3://readings/2026.parquet>
    """

    __slots__ = ("body", "file", "url")

    def __init__(self, url: str, body: bytes | str = b"", *, file: str | PathLike[str] | None = None) -> None:
        self.url: str = url
        self.body: bytes = body.encode() if isinstance(body, str) else body
        self.file: str | PathLike[str] | None = file

    def __repr__(self) -> str:
        return f"<RemoteObject {shown(self.url)}>"

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {name: getattr(self, name) for name in self.__slots__}


def take_object_apart(x: Any) -> tuple[str, bytes, str | None]:
    """Return URL, content and local file of a file to write.

    Examples
    --------
    >>> from thalweg.remote.object import take_object_apart
    >>> take_object_apart(("s3://a/b", "c"))
    ('s3://a/b', b'c', None)
    >>> take_object_apart("c")
    Traceback (most recent call last):
    TypeError: write_url: an element is a RemoteObject, or a URL and bytes or text, not 'c'
    """
    match x:
        case (str(url), str() | bytes() | bytearray() | memoryview() as body):
            x = RemoteObject(url, body if isinstance(body, str) else bytes(body))
    if not isinstance(x, RemoteObject):
        raise TypeError(f"write_url: an element is a RemoteObject, or a URL and bytes or text, not {x!r}")
    return x.url, bytes(x.body), None if x.file is None else fspath(x.file)
