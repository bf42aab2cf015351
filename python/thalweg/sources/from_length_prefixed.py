"""Length-prefixed messages of a file."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.sources.record_file import RecordFile
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg import _thalweg
    from thalweg.database import Position


@Stream.register_api(staticmethod)
class from_length_prefixed(RecordFile[bytes]):
    r"""Emit the length-prefixed messages of a file, until its end.

    A message that is too long, and an incomplete one at the end, are failures of this node with file, byte, and the
    message's number as the line, see `on_error`. The file is read on a thread, at most 320 KiB ahead of the pipeline.

    Parameters
    ----------
    path: str or path
        The name of the file.
    length_prefix: int
        Width of the big-endian length prefix, in bytes: 1, 2, 4 or 8.
    max_len: int
        Maximum length of a message, in bytes.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`. A
        file that is shorter is read from its beginning.

    Raises
    ------
    ValueError
        The width is not supported.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> async def read(path):
    ...     messages = Stream.from_length_prefixed(path, length_prefix=1, asynchronous=True)
    ...     L = messages.sink_to_list()
    ...     messages.start()
    ...     await messages.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "words.bin"
    ...     size = path.write_bytes(b'\x05river\x03bed')
    ...     asyncio.run(read(path))
    [b'river', b'bed']

    See Also
    --------
    to_files, from_tcp
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        length_prefix: int = 4,
        max_len: int = MAX_LEN,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        self.length_prefix: int = check_count(length_prefix, "from_length_prefixed", "length_prefix")
        super().__init__(path, max_len, position, **kwargs)

    def _open(self, max_len: int, position: _thalweg.sql.Position | None) -> sources.RustSource:
        return sources.messages(self.path, self.length_prefix, max_len, position)
