"""Files of a pipeline, beside which positions are kept."""

from __future__ import annotations

from os import fspath

from thalweg._thalweg import sources
from thalweg.database import Position
from thalweg.stream.arguments import is_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike


class Files:
    """Names of files that a pipeline writes one after the other, and the positions that are kept beside them.

    `to_files`, `to_jsonl`, `to_csv` and `to_parquet` take it for the name.

    Parameters
    ----------
    path: str or path
        The name of the files, with ``{number}`` in it.

    Raises
    ------
    ValueError
        The name has other braces.

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
        if not is_path(path):
            raise TypeError(f"Files: `path` is a name or a path, not {path!r}")
        self.path: str = fspath(path)
        self._names = sources.FileNames(self.path)

    def position(self, name: str) -> Position:
        """Return the position of this name, for one source of one pipeline.

        It is kept in a hidden file beside those that the source's elements are written to, and holds as soon as a file
        has its name. Nothing is lost and nothing is doubled if the source gives the same elements again behind a
        position, and the pipeline makes the same rows of each element, or of groups that do not overlap. Files may be
        taken away meanwhile. Nodes written in Python with an `update` of their own do not pass positions on.

        Raises
        ------
        ValueError
            The name of the files has no ``{number}``, or what is kept there is no position.
        PipelineError
            What is kept there cannot be read.

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
