"""Files opened by the user."""

from __future__ import annotations

import codecs
import os
import stat

from thalweg._thalweg.sources import LineSplitter, open_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from thalweg._thalweg.sources import RustSource

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
        self._is_bytes = encoding is not None and hasattr(buffer, "read1") and _has_lines_of_bytes(encoding)
        self._file = file
        # Text has been decoded already, and is split in an encoding without byte order marks.
        self._encoding: str = encoding if self._is_bytes and encoding is not None else "utf-8"
        self._errors = getattr(file, "errors", None) or "strict"
        if self._is_bytes:
            if file.seekable():
                # Text that has been read ahead is read again as bytes.
                file.seek(file.tell())
            self._file = buffer
        self._newline = "\r" not in delimiter
        self._splitter = LineSplitter(_without_mark(delimiter.encode(self._encoding)), max_len)
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


def check_pipe(file: Any) -> None:
    """Raise a `ValueError` if the encoding of a pipe's file has no lines of bytes.

    Examples
    --------
    >>> import io
    >>> from thalweg.sources.open_file import check_pipe
    >>> check_pipe(io.TextIOWrapper(io.BytesIO(), "utf-16"))
    Traceback (most recent call last):
    ValueError: from_textfile: the text of a pipe is split as bytes, which 'utf-16' does not allow; use UTF-8
    """
    if not _has_lines_of_bytes(encoding := _encoding_of(file)):
        message = f"from_textfile: the text of a pipe is split as bytes, which {encoding!r} does not allow; use UTF-8"
        raise ValueError(message)


def lines_of_pipe(file: Any, descriptor: int, delimiter: str, max_len: int) -> RustSource:
    """Return the lines of an open pipe, in the encoding of its file. What the file has read ahead comes first."""
    encoding = _encoding_of(file)
    ahead = _read_ahead(file, descriptor)
    end = _without_mark(delimiter.encode(encoding))
    if codecs.lookup(encoding).name in ("utf-8", "ascii"):
        return open_pipe(descriptor, end, max_len, ahead)
    errors = getattr(file, "errors", None) or "strict"

    def decode(line: bytes) -> str:
        text = line.decode(encoding, errors)
        return text if "\r" in delimiter else text.replace("\r\n", "\n")

    return open_pipe(descriptor, end, max_len, ahead, decode)


def _read_ahead(file: Any, descriptor: int) -> bytes:
    """Return what a file has read from its pipe, and has not given out.

    Reading it would block behind that, so the descriptor is that of an empty file meanwhile.
    """
    ahead: list[Any] = []
    partial = b""
    kept = os.dup(descriptor)
    try:
        empty = os.open(os.devnull, os.O_RDONLY)
        try:
            inherited = os.get_inheritable(descriptor)
            os.dup2(empty, descriptor, inherited)
            try:
                # By the character, since a character of which only a part has been read is an error.
                while data := file.readline(1):
                    ahead.append(data)
            except UnicodeDecodeError as error:
                partial = error.object
            finally:
                os.dup2(kept, descriptor, inherited)
        finally:
            os.close(empty)
    finally:
        os.close(kept)
    if ahead and isinstance(ahead[0], str):
        return "".join(ahead).encode(file.encoding, file.errors) + partial
    return b"".join(ahead) + partial


def _encoding_of(file: Any) -> str:
    return getattr(file, "encoding", None) or "utf-8"


def _has_lines_of_bytes(encoding: str) -> bool:
    """Whether the bytes of a text can be split at those of a delimiter."""
    return "16" not in encoding and "32" not in encoding


def _without_mark(text: bytes) -> bytes:
    """Leave out the byte order mark that some encodings begin a text with."""
    return text.removeprefix(codecs.BOM_UTF8)
