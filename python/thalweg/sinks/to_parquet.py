"""Writing batches of rows to Parquet files."""

from __future__ import annotations

import io

from thalweg._thalweg.sources import FileFormat
from thalweg.errors.missing_packages import need
from thalweg.sinks.to_files import FileSink
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval
    from thalweg.sinks.files import Files


@Stream.register_api()
class to_parquet(FileSink[T]):
    """Write each element, a batch of rows, to Parquet files, which become visible when complete.

    Elements are record batches or tables of Arrow, or data frames of pandas or Polars. All elements of a file must have
    the columns of its first; another is a failure of this node, see `on_error`. Needs the package ``pyarrow``.
    Otherwise like :class:`~thalweg.to_files`.

    Parameters
    ----------
    path: str, path or Files
        The file name, with ``{number}`` in it if there may be several.
    compression: str
        Compression of columns: a name that ``pyarrow.parquet`` accepts.
    max_rows: int
        Rows after which a file ends.
    max_bytes: int
        Size in bytes after which a file ends.
    max_age: number or text
        Time after its first element at which a file ends: seconds, or text such as ``"10min"``.
    sync: bool
        Whether to synchronize a file to the disk before it gets its name.

    Raises
    ------
    ImportError
        The package is not installed.
    ValueError
        The name contains other braces, or has no ``{number}`` although files are to end.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow, pyarrow.parquet
    >>> from thalweg import Stream
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     batches = Stream()
    ...     node = batches.to_parquet(Path(folder) / "part-{number}.parquet", max_rows=4)
    ...     batches.emit_many([pyarrow.table({"number": [1, 2, 3]}), pyarrow.table({"number": [4, 5, 6]})])
    ...     batches.drain()
    ...     print(pyarrow.parquet.read_table(Path(folder) / "part-000000.parquet")["number"].to_pylist())
    [1, 2, 3, 4, 5, 6]

    See Also
    --------
    from_parquet, to_files, to_jsonl, to_csv
    """

    def __init__(
        self,
        upstream: Stream[T],
        path: str | PathLike[str] | Files,
        *,
        compression: str = "snappy",
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> None:
        arrow = need("pyarrow", "arrow", "to_parquet")
        parquet = need("pyarrow.parquet", "arrow", "to_parquet")
        try:
            # An empty file says now whether there is such a compression.
            parquet.ParquetWriter(io.BytesIO(), arrow.schema([]), compression=compression).close()
        except (arrow.ArrowException, AttributeError, OSError, TypeError, ValueError) as error:
            raise ValueError(f"to_parquet: `compression` is not one of Arrow's: {error}") from None
        made = FileFormat.object("to_parquet", _Parquet(arrow, parquet, compression))
        super().__init__(
            upstream, path, made, max_rows=max_rows, max_bytes=max_bytes, max_age=max_age, sync=sync, **kwargs
        )


class _Parquet:
    """Serializes tables to the bytes of a file."""

    def __init__(self, arrow: Any, parquet: Any, compression: str) -> None:
        self._arrow, self._parquet, self._compression = arrow, parquet, compression
        self._written = io.BytesIO()
        self._writer: Any = None

    def begin(self) -> bytes:
        self._written, self._writer = io.BytesIO(), None
        return b""

    def add(self, x: Any) -> bytes:
        table = self._table(x)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(
                self._Ahead(self._written), table.schema, compression=self._compression
            )
        self._writer.write_table(table)
        return self._take()

    def end(self) -> bytes:
        if self._writer is not None:
            self._writer.close()
        return self._take()

    def rows(self, x: Any) -> int:
        return len(x)

    def _take(self) -> bytes:
        """Take the bytes written since the last call."""
        new = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return new

    class _Ahead(io.RawIOBase):
        """The writer's output file: written bytes are removed by `take`, but stay counted."""

        def __init__(self, written: io.BytesIO) -> None:
            self._written, self._position = written, 0

        def writable(self) -> bool:
            return True

        def tell(self) -> int:
            return self._position

        def write(self, data: Any) -> int:
            count = self._written.write(data)
            self._position += count
            return count

    def _table(self, x: Any) -> Any:
        if isinstance(x, self._arrow.Table):
            return x
        if isinstance(x, self._arrow.RecordBatch):
            return self._arrow.Table.from_batches([x])
        if hasattr(x, "to_arrow"):
            return x.to_arrow()
        if type(x).__module__.partition(".")[0] == "pandas":
            return self._arrow.Table.from_pandas(x)
        raise TypeError(f"a {type(x).__name__} is not a batch of rows: give a table of pyarrow, or a data frame")
