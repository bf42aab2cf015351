"""A remote file in pieces."""

from __future__ import annotations

import json

from thalweg._thalweg import sources
from thalweg.database import check_position
from thalweg.http.checks import check_url
from thalweg.remote.settings import remote_settings
from thalweg.sources.copied_parquet import CopiedParquet
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, check_count
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import RecordFormat
    from thalweg.database import Position
    from thalweg.remote import Remote


@Stream.register_api(staticmethod)
class from_url(Source["Any"]):
    r"""Emit the chunks, lines or records of a remote file, until its end.

    URLs are those of :class:`~thalweg.ops.read_url`. A lost connection is restored, and reading continues at the same
    byte, if the file is unchanged. An invalid record is a failure of this node with URL, line and byte, see `on_error`;
    the records after it are emitted. A file that does not exist or cannot be read ends the source.

    Parameters
    ----------
    url: str
        The URL.
    format: str
        What is emitted: ``"chunks"``, bytes as they come; ``"lines"``, text without line ends; ``"jsonl"``, the values
        of lines of JSON; ``"csv"``, dicts; ``"length_prefixed"``, messages behind their lengths, as bytes;
        ``"parquet"``, Arrow's record batches, which needs the package ``pyarrow``, and a temporary file to copy it to.
    remote: Remote
        Settings: logins, limits, retries.
    max_len: int
        Maximum length of a line or record, in bytes.
    loads: callable
        For JSON lines: converts a line of text to an element; ``json.loads`` by default.
    delimiter: str
        For CSV: the character between values, in ASCII.
    length_prefix: int
        For length-prefixed messages: width of the prefix in bytes, 2, 4 or 8.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`. A
        file that is shorter is read from its beginning.

    Raises
    ------
    ImportError
        The package was built without support for the system: for ``s3:`` and ``sftp:``.
    ValueError
        The URL is invalid.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> async def read(url):
    ...     values = Stream.from_url(url, "jsonl", asynchronous=True)
    ...     L = values.sink_to_list()
    ...     values.start()
    ...     await values.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "values.jsonl"
    ...     size = path.write_text('1\n{"a": null}\n')
    ...     asyncio.run(read(path.as_uri()))
    [1, {'a': None}]

    See Also
    --------
    read_url, from_http_lines, from_jsonl, from_csv
    """

    def __init__(
        self,
        url: str,
        format: RecordFormat = "lines",
        remote: Remote | None = None,
        *,
        max_len: int = MAX_LEN,
        loads: Callable[[str], Any] = json.loads,
        delimiter: str = ",",
        length_prefix: int = 4,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        check_callable(loads, "from_url", "loads")
        self.url: str = check_url(url, "from_url")
        self._copied: CopiedParquet | None = None
        if format == "parquet":
            self._copied = CopiedParquet(self.url, remote, position)
            super().__init__(**kwargs)
            return
        settings = remote_settings(remote, "from_url")
        limit, kept = check_max_len(max_len, "from_url"), check_position(position, "from_url")
        width = check_count(length_prefix, "from_url", "length_prefix")
        try:
            self._records = sources.from_url(url, settings, format, limit, loads, delimiter, width, kept)
        except ValueError as error:
            raise ValueError(f"from_url: {error}") from None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit records until the file's end, or until stopped."""
        if self._copied is not None:
            await self._copied.run(self)
        else:
            await self._run_in_rust(self._records)
