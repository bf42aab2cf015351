"""Writing elements as JSON lines."""

from __future__ import annotations

import json
from functools import partial

from thalweg._thalweg.sources import FileFormat
from thalweg.sinks.to_files import FileSink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval
    from thalweg.sinks.files import Files


@Stream.register_api()
class to_jsonl(FileSink[T]):
    """Write each element as a line of JSON to files, which become visible when complete.

    Otherwise like :class:`~thalweg.to_files`.

    Parameters
    ----------
    path: str, path or Files
        The file name, with ``{number}`` in it if there may be several.
    dumps: callable
        Converts an element to text or bytes without a line end; ``json.dumps`` by default. A number that JSON does not
        have, such as ``nan``, is a failure.
    max_rows: int
        Maximum lines per file.
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
    ...     readings = Stream()
    ...     node = readings.to_jsonl(Path(folder) / "readings.jsonl")
    ...     readings.emit_many([{"celsius": 20.5}, {"celsius": None}])
    ...     readings.drain()
    ...     print((Path(folder) / "readings.jsonl").read_text())
    {"celsius": 20.5}
    {"celsius": null}
    <BLANKLINE>

    See Also
    --------
    from_jsonl, to_files, to_csv, to_parquet
    """

    def __init__(
        self,
        upstream: Stream[T],
        path: str | PathLike[str] | Files,
        *,
        dumps: Callable[[T], str | bytes] | None = None,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> None:
        if dumps is not None:
            check_callable(dumps, "to_jsonl", "dumps")
        made = FileFormat.jsonl(dumps or partial(json.dumps, ensure_ascii=False, allow_nan=False))
        super().__init__(
            upstream, path, made, max_rows=max_rows, max_bytes=max_bytes, max_age=max_age, sync=sync, **kwargs
        )
