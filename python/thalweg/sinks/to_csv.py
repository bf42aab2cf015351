"""Elements as records of CSV."""

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
    """Write each element, a dict, a tuple or a list, as a record of CSV to files, seen when they are whole.

    Each file begins with the names of the columns: the keys of its first dict, or the `columns`. A dict with other keys
    is a failure of this node, see `on_error`. Values are written as ``str`` shows them, None as nothing. Everything
    else is as with :class:`~thalweg.to_files`.

    Parameters
    ----------
    path: str, path or Files
        The name of the files, with ``{number}`` in it if there may be several.
    columns: list
        The columns of elements that are no dicts. Without them, files of such have no header.
    delimiter: str
        The character between values.
    max_rows: int
        The most records of a file.
    max_bytes: int
        The bytes that a file ends after.
    max_age: number or text
        How long after its first element a file ends: seconds, or text such as ``"10min"``.
    sync: bool
        Whether a file is synchronized to the disk before it gets its name.

    Raises
    ------
    ValueError
        The name has other braces, or files are to end and it has no ``{number}``.

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
        if isinstance(columns, str):
            raise TypeError(f"to_csv: `columns` is a list of names, not {columns!r}")
        try:
            made = FileFormat.csv(delimiter, list(columns))
        except (TypeError, ValueError) as error:
            raise type(error)(f"to_csv: {error}") from None
        super().__init__(
            upstream, path, made, max_rows=max_rows, max_bytes=max_bytes, max_age=max_age, sync=sync, **kwargs
        )
