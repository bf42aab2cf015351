"""Writing elements as CSV records."""

from __future__ import annotations

from thalweg._thalweg.sources import FileFormat
from thalweg.sinks.to_files import FileSink
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval
    from thalweg.sinks.files import Files


@Stream.register_api()
class to_csv(FileSink[T]):
    """Write each element, a dict, a tuple or a list, as a CSV record to files that appear when complete.

    Each file begins with the names of the columns: the keys of its first dict, or the `columns`. A dict with other keys
    is a failure of this node, see `on_error`. Values are written as by ``str``, None as an empty value. Otherwise like
    :class:`~thalweg.to_files`.

    Parameters
    ----------
    path: str, path or Files
        The file name, with ``{number}`` in it if there may be several.
    columns: list
        The columns for elements that are not dicts. Without it, their files have no header.
    delimiter: str
        The character between values.
    max_rows: int
        Maximum records per file.
    max_bytes: int
        Size in bytes after which a file ends.
    max_age: number or text
        Time after its first element at which a file ends: seconds, or text such as ``"10min"``.
    sync: bool
        Whether to synchronize a file to the disk before it gets its name.

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
    ...     rivers = Stream()
    ...     node = rivers.to_csv(Path(folder) / "rivers.csv")
    ...     rivers.emit_many([{"name": "Ob, upper", "km": 3650}, {"name": "Don", "km": None}])
    ...     rivers.drain()
    ...     print((Path(folder) / "rivers.csv").read_text())
    name,km
    "Ob, upper",3650
    Don,
    <BLANKLINE>

    See Also
    --------
    from_csv, to_files, to_jsonl, to_parquet
    """

    def __init__(
        self,
        upstream: Stream[T],
        path: str | PathLike[str] | Files,
        *,
        columns: Iterable[str] = (),
        delimiter: str = ",",
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> None:
        if isinstance(columns, str) or not hasattr(columns, "__iter__"):
            raise TypeError(f"to_csv: `columns` is a list of names, not {columns!r}")
        try:
            made = FileFormat.csv(delimiter, list(columns))
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"to_csv: {error}") from None
        super().__init__(
            upstream, path, made, max_rows=max_rows, max_bytes=max_bytes, max_age=max_age, sync=sync, **kwargs
        )
