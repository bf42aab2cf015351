"""Writing elements to files that become visible when complete."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg._thalweg.sources import FileFormat
from thalweg.runtime.intervals import check_interval
from thalweg.sinks.files import Files
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, is_path
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval, Placement


class FileSink(Sink[T]):
    """Base of sinks that write files: their names, and when one ends."""

    def __init__(
        self,
        upstream: Stream[T],
        path: str | PathLike[str] | Files,
        file_format: FileFormat,
        *,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if not is_path(path) and not isinstance(path, Files):
            raise TypeError(f"{name}: `path` is a name, a path or Files, not {path!r}")
        try:
            self._files = path if isinstance(path, Files) else Files(path)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.path: str = self._files.path
        self._format = file_format
        self._limits = (
            None if max_rows is None else check_count(max_rows, name, "max_rows"),
            None if max_bytes is None else check_count(max_bytes, name, "max_bytes"),
            None if max_age is None else check_interval(max_age, name, "max_age"),
        )
        self._sync = bool(sync)
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.to_files(placement, self._files._names, self._format, *self._limits, self._sync)


@Stream.register_api()
class to_files(FileSink[T]):
    """Write each element, text or bytes, as a line of a file, which becomes visible when complete.

    A file is written under another name beside it, ``.name.partial``, synchronized to the disk, and then renamed. It
    ends when it reaches a limit of rows, bytes or age, and when the pipeline is drained. Numbering continues after the
    highest number in the folder; unfinished files of an earlier program are removed.

    An element is acknowledged when its file has its name. A file also ends after 32,768 unacknowledged elements. An
    element that cannot be written, for example on a full disk, is a failure of this node, see `on_error`; those before
    it are kept. If a file cannot be synchronized to the disk, its elements are lost with it, which is a failure of the
    last one.

    Parameters
    ----------
    path: str or path
        The file name. In it, ``{number}`` becomes ``000000``, ``000001`` and so on, and ``{start}`` the time at which
        the file was begun, in UTC, such as ``20260131T235959Z``. Without a number there is a single file, which gets
        its name at the drain, and replaces an existing one. The folder must exist.
    length_prefix: int
        Instead of lines: width of a big-endian length prefix, in bytes: 1, 2, 4 or 8.
    max_rows: int
        Maximum rows per file.
    max_bytes: int
        Size in bytes after which a file ends.
    max_age: number or text
        Time after its first element at which a file ends, on the pipeline's clock: seconds, or text such as
        ``"10min"``.
    sync: bool
        Whether to synchronize a file to the disk before it gets its name. Without it, a file is complete even if the
        program is killed, but perhaps not after a power failure. A virtual clock waits for no other thread: with one,
        pass False.

    Raises
    ------
    ValueError
        The name contains other braces, or has no ``{number}`` although files are to end.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     words = Stream()
    ...     node = words.to_files(Path(folder) / "words-{number}.txt", max_rows=2)
    ...     words.emit_many(["river", "bed", "bank"])
    ...     words.drain()
    ...     print({path.name: path.read_text() for path in sorted(Path(folder).iterdir())})
    {'words-000000.txt': 'river\\nbed\\n', 'words-000001.txt': 'bank\\n'}

    See Also
    --------
    to_jsonl, to_csv, to_parquet, sink_to_textfile, from_length_prefixed
    """

    def __init__(
        self,
        upstream: Stream[T],
        path: str | PathLike[str] | Files,
        *,
        length_prefix: int | None = None,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> None:
        made = FileFormat.lines()
        if length_prefix is not None:
            try:
                made = FileFormat.length_prefixed(check_count(length_prefix, "to_files", "length_prefix"))
            except ValueError as error:
                raise ValueError(f"to_files: {error}") from None
        super().__init__(
            upstream, path, made, max_rows=max_rows, max_bytes=max_bytes, max_age=max_age, sync=sync, **kwargs
        )
