"""A sink that rapidz and streamz keep among their sources."""

from __future__ import annotations

import builtins

from thalweg.sinks.sink import Sink

__all__ = ["sink_to_file"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Metadata
    from thalweg.stream import Stream


class _FileSink(Sink):
    def __init__(self, upstream: Stream, file: Any, prefix: str, suffix: str, flush: bool) -> None:
        self._file, self._prefix, self._suffix, self._flushes = file, prefix, suffix, flush
        super().__init__(upstream)

    def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        self._file.write(self._prefix + x + self._suffix)
        if self._flushes or metadata:
            self._file.flush()


def sink_to_file(
    filename: str | PathLike[str],
    upstream: Stream,
    mode: str = "w",
    prefix: str = "",
    suffix: str = "\n",
    flush: bool = False,
) -> Any:
    """Write every element of `upstream`, a str, to a file, which is returned: close it, or use it in a ``with``
    statement. Elements with a :class:`~thalweg.RefCounter` are flushed before they are acknowledged.

    Examples
    --------
    >>> import os, tempfile
    >>> from thalweg import Stream, sink_to_file
    >>> source = Stream()
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "lines.txt")
    ...     with sink_to_file(path, source, prefix="- "):
    ...         source.emit_many(["a", "b"])
    ...     with open(path) as file:
    ...         print(file.read(), end="")
    - a
    - b
    """
    file = builtins.open(filename, mode=mode)  # noqa: SIM115, it is the caller's to close
    _FileSink(upstream, file, prefix, suffix, flush)
    return file
