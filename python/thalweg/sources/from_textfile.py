"""The lines of a text file."""

from __future__ import annotations

import builtins
import os

from thalweg.functions import is_path
from thalweg.intervals import convert_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_textfile(Source):
    r"""Emit the lines of a text file, those that exist and those that are appended.

    Lines keep their delimiter. What stands behind the last one is emitted when the pipeline is drained.

    Parameters
    ----------
    f: str, path or file
        A name, or a file open for reading text.
    poll_interval: number or text
        How often to look for more.
    delimiter: str
        What lines end with.
    from_end: bool
        Whether to emit only what is appended from now on.

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
        **kwargs: Any,
    ) -> None:
        if not delimiter:
            raise ValueError("from_textfile: `delimiter` is not empty")
        # It is read for as long as there is a source.
        self.file: Any = builtins.open(f) if is_path(f) else f  # noqa: SIM115
        self.from_end = from_end
        if from_end:
            self.file.seek(0, os.SEEK_END)
        self.delimiter = delimiter
        self.poll_interval = convert_interval(poll_interval)
        self._rest = ""
        self._lines: Iterator[str] = iter(())
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit lines until stopped."""
        while await self._send_all(self._lines):
            text = self.file.read()
            if text:
                *lines, self._rest = (self._rest + text).split(self.delimiter)
                self._lines = iter([line + self.delimiter for line in lines])
            else:
                await self._pause(self.poll_interval)
        if self._is_ending and self._rest:
            rest, self._rest = self._rest, ""
            await self._send(rest)
