"""A file to read."""

from __future__ import annotations

from os import fspath

from thalweg.remote.content import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any


class RemoteFile:
    """A file to read by :class:`~thalweg.ops.read_url`: its URL, an optional local file, and expected checksums.

    Parameters
    ----------
    url: str
        The URL.
    file: str or path
        Local file for the content; large files are transferred in parallel parts. Readers of the file see either all of
        it or its previous content. By default the content is in memory.
    sha256, md5, crc32c: str
        Expected checksums of the content, in hexadecimal digits. A different one is a failure of the node, and no local
        file is created.

    Examples
    --------
    >>> from thalweg.remote import RemoteFile
    >>> RemoteFile("https://anna:secret@example.org/readings.csv", "readings.csv", crc32c="364b3fb7")
    <RemoteFile https://example.org/readings.csv>
    """

    __slots__ = ("crc32c", "file", "md5", "sha256", "url")

    def __init__(
        self,
        url: str,
        file: str | PathLike[str] | None = None,
        *,
        sha256: str | None = None,
        md5: str | None = None,
        crc32c: str | None = None,
    ) -> None:
        self.url: str = url
        self.file: str | PathLike[str] | None = file
        self.sha256: str | None = sha256
        self.md5: str | None = md5
        self.crc32c: str | None = crc32c

    def __repr__(self) -> str:
        return f"<RemoteFile {shown(self.url)}>"

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {name: getattr(self, name) for name in self.__slots__}


def take_file_apart(x: Any) -> tuple[str, str | None, list[tuple[str, str]]]:
    """Return URL, local file and checksums of a file to read.

    Examples
    --------
    >>> from thalweg.remote.file import RemoteFile, take_file_apart
    >>> take_file_apart(RemoteFile("s3://a/b", "b", md5="12"))
    ('s3://a/b', 'b', [('md5', '12')])
    >>> take_file_apart(80)
    Traceback (most recent call last):
    TypeError: read_url: an element is a URL or a RemoteFile, not 80
    """
    if not isinstance(x, RemoteFile):
        raise TypeError(f"read_url: an element is a URL or a RemoteFile, not {x!r}")
    checksums = [("sha256", x.sha256), ("md5", x.md5), ("crc32c", x.crc32c)]
    file = None if x.file is None else fspath(x.file)
    return x.url, file, [(name, digits) for name, digits in checksums if digits is not None]
