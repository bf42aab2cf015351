"""Remote Parquet files: they are read from their end, so a local copy is made first."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.errors import Failure
from thalweg.errors.missing_packages import need
from thalweg.remote.file import RemoteFile
from thalweg.remote.settings import remote_settings
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from tempfile import TemporaryDirectory
    from typing import Any

    from thalweg.database import Position
    from thalweg.remote import Remote
    from thalweg.sources.source import Source

#: The most rows of a batch.
BATCH_ROWS = 8192


class CopiedParquet:
    """A file of Parquet, which is copied when it is first read, and whose copy goes with this."""

    def __init__(self, url: str, remote: Remote | None, position: Position | None) -> None:
        if position is not None:
            raise ValueError("from_url: a file of Parquet has no `position`")
        try:
            sources.check_remote_url(remote_settings(remote, "from_url"), url)
        except ValueError as error:
            raise ValueError(f"from_url: {error}") from None
        self._parquet = need("pyarrow.parquet", "arrow", "from_url")
        self._url = url
        self._remote = remote
        self._folder: TemporaryDirectory[str] | None = None
        self._batches: Iterator[Any] | None = None

    async def run(self, source: Source[Any]) -> None:
        """Emit batches into a source until the file's end, or until stopped."""
        import asyncio

        if self._batches is None:
            self._batches = await self._copy()
        while not source.stopped:
            batch = await asyncio.to_thread(next, self._batches, None)
            if batch is None:
                self._batches = None
                if self._folder is not None:
                    self._folder.cleanup()
                return
            await source._send(batch)

    async def _copy(self) -> Iterator[Any]:
        from tempfile import TemporaryDirectory

        self._folder = TemporaryDirectory(prefix="thalweg-")
        path = f"{self._folder.name}/file.parquet"
        files, failures = Stream[RemoteFile](asynchronous=True), Stream[Failure](asynchronous=True)
        failed = failures.sink_to_list()
        files.read_url(self._remote, on_error=failures).sink(lambda content: None)
        await files.emit(RemoteFile(self._url, path))
        await files.drain()
        if failed:
            raise failed[0].exception
        return iter(self._parquet.ParquetFile(path).iter_batches(BATCH_ROWS))
