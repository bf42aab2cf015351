"""The values of a file of JSON lines."""

from __future__ import annotations

import json

from thalweg._thalweg import sources
from thalweg.sources.record_file import RecordFile
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from thalweg import _thalweg
    from thalweg.database import Position


@Stream.register_api(staticmethod)
class from_jsonl(RecordFile["Any"]):
    """Emit the values of a file of JSON lines, until its end.

    A line that is not JSON or is too long is a failure of this node with file, line and byte, see `on_error`; the lines
    after it are emitted. The file is read on a thread, at most 320 KiB ahead of the pipeline.

    Parameters
    ----------
    path: str or path
        The name of the file.
    loads: callable
        Converts a line of text to an element; ``json.loads`` by default.
    max_len: int
        Maximum length of a line, in bytes.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`. A
        file that is shorter is read from its beginning.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> async def read(path):
    ...     values = Stream.from_jsonl(path, asynchronous=True)
    ...     L = values.sink_to_list()
    ...     values.start()
    ...     await values.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "values.jsonl"
    ...     size = path.write_text('1\\n{"a": null}\\n')
    ...     asyncio.run(read(path))
    [1, {'a': None}]

    See Also
    --------
    to_jsonl, from_csv, from_textfile
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        loads: Callable[[str], Any] = json.loads,
        max_len: int = MAX_LEN,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        check_callable(loads, "from_jsonl", "loads")
        self._loads = loads
        super().__init__(path, max_len, position, **kwargs)

    def _open(self, max_len: int, position: _thalweg.sql.Position | None) -> sources.RustSource:
        return sources.json_lines(self.path, self._loads, max_len, position)
