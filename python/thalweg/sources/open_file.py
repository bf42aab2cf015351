"""Files opened by the user."""

from __future__ import annotations

import os
import stat

from thalweg._thalweg.sources import LineSplitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: Size of a read, in bytes or characters.
CHUNK = 64 * 1024


def pipe_of(file: Any) -> int | None:
    """Return the descriptor of a pipe or terminal, whose reads may block; None for other files.

    Examples
    --------
    >>> import io
    >>> from thalweg.sources.open_file import pipe_of
    >>> pipe_of(io.StringIO()) is None
    True
    """
    try:
        descriptor: int = file.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return None if stat.S_ISREG(os.fstat(descriptor).st_mode) else descriptor


class OpenFile:
    """The lines of a file opened for reading text.

    If the text is a layer over bytes, the bytes are read, since text must be decoded by the line: a read may end within
    a character, and an invalid line is one error.

    Examples
    --------
    >>> import io
    >>> from thalweg.sources.open_file import OpenFile
    >>> file = OpenFile(io.StringIO("a;b"), ";", False, 100)
    >>> file.read(), list(file.lines(print)), list(file.rest(print))
    (True, ['a;'], ['b'])
    """

    def __init__(self, file: Any, delimiter: str, from_end: bool, max_len: int) -> None:
        if not hasattr(file, "read"):
            raise TypeError(f"from_textfile: `f` is a name, a path or a file open for reading, not {file!r}")
        if from_end:
            file.seek(0, os.SEEK_END)
        encoding = getattr(file, "encoding", None)
        buffer = getattr(file, "buffer", None)
        self._is_bytes = (
            encoding is not None and hasattr(buffer, "read1") and "16" not in encoding and "32" not in encoding
        )
        self._file = file
        self._encoding, self._errors = encoding or "utf-8", getattr(file, "errors", None) or "strict"
        if self._is_bytes:
            if file.seekable():
                # Text that has been read ahead is read again as bytes.
                file.seek(file.tell())
            self._file = buffer
        self._newline = "\r" not in delimiter
        self._splitter = LineSplitter(delimiter.encode(self._encoding), max_len)
        self._pending: list[bytes | Exception] = []

    def read(self) -> bool:
        """Read on; return whether there was more."""
        if self._is_bytes:
            data = self._file.read1(CHUNK)
        else:
            text = self._file.read(CHUNK)
            data = text.encode(self._encoding, "surrogatepass") if isinstance(text, str) else text
        if data:
            self._pending += self._splitter.feed(data)
        return bool(data)

    def lines(self, fail: Callable[[Exception], None]) -> Iterator[str]:
        """Return the complete lines in order; invalid ones go to `fail`."""
        while self._pending:
            line = self._pending.pop(0)
            try:
                if isinstance(line, Exception):
                    raise line
                text = self._decode(line)
            except ValueError as error:
                fail(error)
            else:
                yield text

    def rest(self, fail: Callable[[Exception], None]) -> Iterator[str]:
        """Return the rest, which is not a complete line."""
        self._pending += self._splitter.finish()
        return self.lines(fail)

    def _decode(self, line: bytes) -> str:
        text = line.decode(self._encoding, self._errors if self._is_bytes else "surrogatepass")
        return text.replace("\r\n", "\n") if self._newline and self._is_bytes else text
