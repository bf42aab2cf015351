"""The base of sources that read files of records."""

from __future__ import annotations

from thalweg.database import check_position
from thalweg.sources.source import Source
from thalweg.stream.arguments import check_file
from thalweg.stream.limits import check_max_len
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg import _thalweg
    from thalweg._thalweg.sources import RustSource
    from thalweg.database import Position


class RecordFile(Source[T]):
    """Base of sources that read a file, and end with it."""

    def __init__(self, path: str | PathLike[str], max_len: int, position: Position | None, **kwargs: Any) -> None:
        name = type(self).__name__
        self.path: str = check_file(path, name, "path")
        try:
            self._records = self._open(check_max_len(max_len, name), check_position(position, name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        super().__init__(**kwargs)

    def _open(self, max_len: int, position: _thalweg.sql.Position | None) -> RustSource:
        raise NotImplementedError

    async def run(self) -> None:
        """Emit the records of the file until its end, or until stopped."""
        await self._run_in_rust(self._records)
