"""The records of a CSV file."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.sources.record_file import RecordFile
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg import _thalweg
    from thalweg.database import Position


@Stream.register_api(staticmethod)
class from_csv(RecordFile["dict[str, str]"]):
    """Emit the records of a CSV file as dicts of text, until its end.

    The first record contains the names of the columns. Quoted values may contain line ends.

    A record that is not UTF-8, is too long, or has another number of values than there are columns, is a failure of
    this node with file, line and byte, see `on_error`; the records after it are emitted. The file is read on a thread,
    at most 320 KiB ahead of the pipeline.

    Parameters
    ----------
    path: str or path
        The name of the file.
    delimiter: str
        The character between values.
    max_len: int
        Maximum length of a record, in bytes.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`. A
        file that is shorter is read from its beginning.

    Raises
    ------
    ValueError
        The delimiter is not a single ASCII character.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> async def read(path):
    ...     rivers = Stream.from_csv(path, asynchronous=True)
    ...     L = rivers.sink_to_list()
    ...     rivers.start()
    ...     await rivers.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rivers.csv"
    ...     size = path.write_text('name,km\\n"Ob, upper",3650\\n')
    ...     asyncio.run(read(path))
    [{'name': 'Ob, upper', 'km': '3650'}]

    See Also
    --------
    to_csv, from_jsonl
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        delimiter: str = ",",
        max_len: int = MAX_LEN,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        self.delimiter = delimiter
        super().__init__(path, max_len, position, **kwargs)

    def _open(self, max_len: int, position: _thalweg.sql.Position | None) -> sources.RustSource:
        return sources.csv_records(self.path, self.delimiter, max_len, position)
