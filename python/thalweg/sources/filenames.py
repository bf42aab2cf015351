"""The names of files, as they appear."""

from __future__ import annotations

import os

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class filenames(Source[str]):
    """Emit the names of the files in a directory, those there are and those that appear.

    Parameters
    ----------
    path: str or path
        A directory, or a pattern as the module ``glob`` has them, such as ``"data/*.csv"``. What is a directory is
        never a pattern.
    poll_interval: number or text
        Interval of checking for more: seconds, or a duration such as ``"500ms"``. If the system reports changes, they
        are noticed within milliseconds.
    start: bool
        Whether to run at once.
    recursive: bool
        Whether ``**`` in a pattern stands for any number of directories.

    Examples
    --------
    >>> import os, pathlib, tempfile
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     pathlib.Path(directory, "a.csv").touch()
    ...     source = Stream.filenames(directory, loop=clock, start=True)
    ...     L = source.map(os.path.basename).sink_to_list()
    ...     clock.advance("1s")
    >>> L
    ['a.csv']
    """

    def __init__(
        self,
        path: str | PathLike[str],
        poll_interval: Interval = 0.1,
        start: bool = False,
        *,
        recursive: bool = False,
        **kwargs: Any,
    ) -> None:
        self.path: str = check_file(path, "filenames", "path")
        self.poll_interval: float = check_interval(poll_interval, "filenames", "poll_interval")
        pattern = self.path if os.path.isdir(self.path) else _to_shell(self.path, recursive)
        self._names = sources.file_names(pattern, self.poll_interval)
        super().__init__(start=start, **kwargs)

    async def run(self) -> None:
        """Emit names until stopped."""
        await self._run_in_rust(self._names)


def _to_shell(pattern: str, recursive: bool) -> str:
    """A pattern of the module ``glob`` in the notation of shells."""
    import re

    pattern = re.sub(r"[{}]" if os.sep == "\\" else r"[{}\\]", r"\\\g<0>", pattern)
    # A bracket that is never closed stands for itself.
    pattern = re.sub(r"\[(?![!^]?[^/][^\]/]*\])", r"\\[", pattern)
    return pattern if recursive else re.sub(r"\*\*+", "*", pattern)
