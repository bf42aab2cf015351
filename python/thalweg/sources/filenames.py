"""The names of files, as they appear."""

from __future__ import annotations

import os

from thalweg.intervals import convert_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class filenames(Source):
    """Emit the names of the files in a directory, those there are and those that appear.

    Parameters
    ----------
    path: str or path
        A directory, or a pattern such as ``"data/*.csv"``.
    poll_interval: number or text
        How often to look for more.

    Examples
    --------
    >>> import pathlib, tempfile
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

    def __init__(self, path: str | PathLike[str], poll_interval: Interval = 0.1, **kwargs: Any) -> None:
        path = os.fspath(path)
        if "*" not in path and os.path.isdir(path):
            path = os.path.join(path, "*")
        self.path = path
        self.seen: set[str] = set()
        self.poll_interval = convert_interval(poll_interval)
        super().__init__(**kwargs)

    async def _run(self) -> None:
        import glob

        for name in sorted(set(glob.glob(self.path)) - self.seen):
            if self.stopped:
                return
            self.seen.add(name)
            await self._send(name)
        await self._pause(self.poll_interval)
