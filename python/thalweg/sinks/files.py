"""Numbered files with positions."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.database import Position
from thalweg.stream.arguments import check_file

__all__ = ["Files"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike


class Files:
    """Numbered output files of a pipeline, and the positions stored beside them.

    Passed to `to_files`, `to_jsonl`, `to_csv` and `to_parquet` as the path.

    Parameters
    ----------
    path: str or path
        The file name, with ``{number}`` in it.

    Raises
    ------
    ValueError
        The name contains other braces.

    Examples
    --------
    A pipeline that can be killed at any moment and started again: each line is in a file, once.

    >>> import asyncio, os, tempfile
    >>> from thalweg import Stream
    >>> from thalweg.sinks import Files
    >>> async def copy(folder):
    ...     files = Files(os.path.join(folder, "part-{number}.txt"))
    ...     log, position = os.path.join(folder, "log"), files.position("log")
    ...     lines = Stream.from_textfile(log, position=position, asynchronous=True)
    ...     node = lines.map(str.strip).to_files(files, max_rows=1)
    ...     lines.start()
    ...     while position.value != str(os.path.getsize(log)):
    ...         await asyncio.sleep(0.01)
    ...     await lines.drain()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for line in ("river", "bed"):
    ...         with open(os.path.join(folder, "log"), "a") as file:
    ...             print(line, file=file)
    ...         asyncio.run(copy(folder))
    ...     sorted(name for name in os.listdir(folder) if name.startswith("part"))
    ['part-000000.txt', 'part-000001.txt']
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: str = check_file(path, "Files", "path")
        self._names = sources.FileNames(self.path)

    def position(self, name: str) -> Position:
        """Return the position with this name, for one source of one pipeline.

        It is stored in a hidden file beside the output files, and takes effect when a file gets its name. Nothing is
        lost or doubled if the source yields the same elements again after a position, and the pipeline makes the same
        rows of each element, or of non-overlapping groups. Files may be removed meanwhile. Python nodes with their own
        `update` do not pass positions on.

        Raises
        ------
        ValueError
            The name has no ``{number}``, or the stored text is not a position.
        PipelineError
            The stored position cannot be read.

        Examples
        --------
        >>> import os, tempfile
        >>> from thalweg.sinks import Files
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Files(os.path.join(folder, "{number}.jsonl")).position("feed")
        Position('feed', None)
        """
        return Position(self._names.position(name))

    def __repr__(self) -> str:
        return f"Files({self.path!r})"
