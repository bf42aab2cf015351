"""Reading remote files as a whole."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.remote import RemoteContent
from thalweg.remote.file import take_file_apart
from thalweg.remote.settings import remote_settings
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement
    from thalweg.remote import Remote


@Stream.register_api()
class read_url(Stream[RemoteContent]):
    """Read the file at each element, a URL or a :class:`~thalweg.remote.RemoteFile`, and emit its content.

    URLs are ``file:``, ``http:``, ``https:``, ``webdav:``, ``webdavs:``, ``s3:``, ``ftp:``, ``ftps:`` and ``sftp:``. A
    lost connection is restored, and reading continues at the same byte. A file that cannot be read after the retries,
    is too large or has another checksum, is a failure of this node, see `on_error`. At most 1024 elements are in
    progress or queued; then the emitter waits.

    Parameters
    ----------
    remote: Remote
        Settings: logins, limits, retries.
    unordered: bool
        Whether files are emitted as they arrive, instead of in the order of the elements.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> from thalweg.remote import RemoteFile
    >>> async def main(url):
    ...     files = Stream(asynchronous=True)
    ...     L = files.read_url().map(lambda content: content.text()).sink_to_list()
    ...     await files.emit(RemoteFile(url, crc32c="364b3fb7"))
    ...     await files.drain()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "abc.txt"
    ...     size = path.write_text("abc")
    ...     asyncio.run(main(path.as_uri()))
    ['abc']

    See Also
    --------
    from_url, write_url, fetch
    """

    def __init__(
        self, upstream: Stream[Any], remote: Remote | None = None, *, unordered: bool = False, **kwargs: Any
    ) -> None:
        self._settings = remote_settings(remote, "read_url")
        self._unordered = bool(unordered)
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.read_url(placement, self._settings, self._unordered, take_file_apart, RemoteContent)
