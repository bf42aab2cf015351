"""The rows of a Parquet file, in batches."""

from __future__ import annotations

import os
import stat

from thalweg.errors.missing_packages import need
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_file, check_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import Any


@Stream.register_api(staticmethod)
class from_parquet(Source["Any"]):
    """Emit the rows of a Parquet file, in batches, until its end.

    Elements are Arrow's record batches. The file is read on another thread, one batch at a time. Needs the package
    ``pyarrow``; ``polars.from_arrow`` and the batch's ``to_pandas`` convert batches to data frames.

    Parameters
    ----------
    path: str or path
        The name of the file.
    batch_rows: int
        Maximum rows per batch.
    columns: list
        The columns to read; by default all.

    Raises
    ------
    ImportError
        The package is not installed.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> import pyarrow, pyarrow.parquet
    >>> from thalweg import Stream
    >>> async def read(path):
    ...     batches = Stream.from_parquet(path, batch_rows=2, asynchronous=True)
    ...     L = batches.map(lambda batch: batch["number"].to_pylist()).sink_to_list()
    ...     batches.start()
    ...     await batches.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "numbers.parquet"
    ...     pyarrow.parquet.write_table(pyarrow.table({"number": [1, 2, 3]}), path)
    ...     asyncio.run(read(path))
    [[1, 2], [3]]

    See Also
    --------
    to_parquet
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        batch_rows: int = 8192,
        columns: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.path: str = check_file(path, "from_parquet", "path")
        self._parquet = need("pyarrow.parquet", "arrow", "from_parquet")
        self._batch_rows = check_count(batch_rows, "from_parquet", "batch_rows")
        self._columns = None if columns is None else check_names(columns, "from_parquet", "columns")
        self._batches: Iterator[Any] | None = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit batches until the end of the file, or until stopped."""
        import asyncio

        if self._batches is None:
            self._batches = await asyncio.to_thread(self._open)
        while not self.stopped:
            batch = await asyncio.to_thread(next, self._batches, None)
            if batch is None:
                return
            await self._send(batch)

    def _open(self) -> Iterator[Any]:
        # Opening a pipe would wait for a writer, also at the end of the program.
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            raise ValueError(
                f"from_parquet: Parquet is read from its end, so {self.path} has to be a regular file; copy it to one"
            )
        file = self._parquet.ParquetFile(self.path)
        there = file.schema_arrow.names
        for name in self._columns or ():
            # A part of a nested column is named `column.part`.
            if name not in there and not any(name.startswith(f"{column}.") for column in there):
                raise ValueError(f"from_parquet: {self.path} has no column {name!r}, but {', '.join(there)}")
        return iter(file.iter_batches(self._batch_rows, columns=self._columns))
