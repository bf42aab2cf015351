"""A sink that rapidz and streamz keep with their sources."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg.stream import Stream


def sink_to_file(
    filename: str | PathLike[str],
    upstream: Stream,
    mode: str = "w",
    prefix: str = "",
    suffix: str = "\n",
    flush: bool = False,
) -> Any:
    """Write every element of `upstream`, a str, to a file, which is returned: close it, or use it in a
    ``with`` statement.

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

    def write(text: str) -> None:
        file.write(prefix + text + suffix)
        if flush:
            file.flush()

    upstream.sink(write)
    return file
