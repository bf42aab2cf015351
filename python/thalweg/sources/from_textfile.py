"""The lines of a text file."""

from __future__ import annotations

import os
import stat
from functools import partial

from thalweg._thalweg import sources
from thalweg.database import check_position
from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import is_path
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Interval
    from thalweg.database import Position
    from thalweg.sources.open_file import OpenFile


@Stream.register_api(staticmethod)
class from_textfile(Source[str]):
    r"""Emit the lines of a text file, those that exist and those that are appended.

    Lines keep their delimiter. What stands behind the last one is emitted when the pipeline is drained. The file of a
    name is followed: when another takes its name, the old one is read to its end first; when it is truncated, it is
    read again from its beginning. Its text is UTF-8; that of an open file is in the file's encoding. A pipe is read on
    a thread, after what its file has read ahead. A line that is not text, or is too long, is a failure of this node,
    see `on_error`; the lines after it are emitted.

    Parameters
    ----------
    f: str, path or file
        A name, or a file open for reading text.
    poll_interval: number or text
        Interval of checking for more: seconds, or a duration such as ``"500ms"``. If the system reports changes, they
        are noticed within milliseconds.
    delimiter: str
        What lines end with.
    from_end: bool
        Whether to emit only what is appended after the source has begun to run, and with it what stands behind the
        last delimiter then.
    max_len: int
        Maximum length of a line, in bytes.
    position: Position
        Where the source goes on in a file that only grows, and what it moves: see
        :meth:`Database.position <thalweg.Database.position>`. A file that is shorter is read from its first byte.

    Raises
    ------
    OSError
        There is no file of that name, or it may not be read.
    ValueError
        The encoding of an open pipe is UTF-16 or UTF-32, whose bytes cannot be split at delimiters.

    Examples
    --------
    >>> import io
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream.from_textfile(io.StringIO("a\nb\nc"), loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> clock.advance("1s")
    >>> L
    ['a\n', 'b\n']
    >>> source.drain()
    >>> L
    ['a\n', 'b\n', 'c']
    """

    def __init__(
        self,
        f: str | PathLike[str] | TextIO,
        poll_interval: Interval = 0.1,
        delimiter: str = "\n",
        from_end: bool = False,
        max_len: int = MAX_LEN,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(delimiter, str) or not delimiter:
            raise ValueError(f"from_textfile: `delimiter` is text that is not empty, not {delimiter!r}")
        self.file: Any = f
        self.from_end = from_end
        self.delimiter = delimiter
        self.poll_interval: float = check_interval(poll_interval, "from_textfile", "poll_interval")
        max_len = check_max_len(max_len, "from_textfile")
        kept = check_position(position, "from_textfile")
        if kept is not None and (from_end or not is_path(f)):
            raise ValueError("from_textfile: `position` goes with the name of a file that is read from its beginning")
        self._open_file: OpenFile | None = None
        self._named: sources.RustSource | None = None
        if not is_path(f):
            from thalweg.sources.open_file import OpenFile, check_pipe, lines_of_pipe, pipe_of

            pipe = pipe_of(f)
            if pipe is None:
                self._open_file = OpenFile(f, delimiter, from_end, max_len)
            else:
                check_pipe(f)
                self._piped = partial(lines_of_pipe, f, pipe, delimiter, max_len)
        elif _is_pipe(f):
            self._named = sources.pipe(f, delimiter, max_len)
        else:
            self._named = sources.text_file(f, delimiter, self.poll_interval, None, max_len, kept)
            self._skipping = partial(sources.text_file, f, delimiter, self.poll_interval) if from_end else None
            self._max_len = max_len
        super().__init__(**kwargs)

    def start(self) -> None:
        r"""Have the source run; it goes on where it was stopped. With `from_end` it emits what is appended from now on.

        Examples
        --------
        >>> import tempfile
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> with tempfile.NamedTemporaryFile("w") as file:
        ...     source = Stream.from_textfile(file.name, from_end=True, loop=clock)
        ...     L = source.sink_to_list()
        ...     source.start()
        ...     print("a", file=file, flush=True)
        ...     clock.advance("1s")
        >>> L
        ['a\n']
        """
        if self._skipping is not None:
            # Now, and not when the event loop gets to it: by then there may be more.
            self._named = self._skipping(_length(self.file), self._max_len)
            self._skipping = None
        if self._piped is not None:
            self._named, self._piped = self._piped(), None
        super().start()

    _skipping: Callable[[int, int], sources.RustSource] | None = None
    #: Opens a pipe at the start: the program may read some of it before.
    _piped: Callable[[], sources.RustSource] | None = None

    async def run(self) -> None:
        """Emit lines until stopped."""
        if self._named is not None:
            await self._run_in_rust(self._named)
        elif self._open_file is not None:
            await self._read(self._open_file)

    async def _read(self, file: OpenFile) -> None:
        while await self._send_all(file.lines(self._fail)):
            if not file.read():
                await self._pause(self.poll_interval)
        if self._is_ending:
            for rest in file.rest(self._fail):
                await self._send(rest)


def _length(path: Any) -> int:
    """How many bytes a file has; 0 if it has gone meanwhile."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _is_pipe(path: Any) -> bool:
    """Whether a name is that of a pipe.

    Raises
    ------
    OSError
        There is no such file, it is a directory, or it may not be read.
    """
    # Otherwise opening a pipe would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"from_textfile: `f` is a file, not the directory {os.fspath(path)!r}")
    return not stat.S_ISREG(mode)
