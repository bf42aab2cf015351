"""Elements as the lines of a text file."""

from __future__ import annotations

import builtins
import weakref

from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import is_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Metadata


@Stream.register_api()
class sink_to_textfile(Sink):
    """Write elements to a plain text file, one per line.

    The file is flushed when the pipeline is drained, and closed when the sink is gone. An element that carries a
    :class:`~thalweg.RefCounter` is flushed at once: it is acknowledged when the operating system has it. What cannot be
    written is a failure of the element; one that was flushed by another fails with it.

    Parameters
    ----------
    file: str, path or file-like
        A name, or a file open for writing text.
    end: str
        Written after each element.
    mode: str
        How a named file is opened: ``"a"``, to append, or ``"w"``, to begin anew.

    Examples
    --------
    >>> import io
    >>> from thalweg import Stream
    >>> source, file = Stream(), io.StringIO()
    >>> node = source.map(str).sink_to_textfile(file)
    >>> source.emit_many([0, 1])
    >>> file.getvalue()
    '0\\n1\\n'
    """

    def __init__(
        self, upstream: Stream, file: str | PathLike[str] | TextIO, end: str = "\n", mode: str = "a", **kwargs: Any
    ) -> None:
        if not isinstance(end, str):
            raise TypeError(f"sink_to_textfile: `end` is text, not {end!r}")
        if not is_path(file) and not hasattr(file, "write"):
            raise TypeError(f"sink_to_textfile: `file` is a name, a path or a file open for writing, not {file!r}")
        self._terminator = end
        # It is closed when the sink is gone.
        self._fp: Any = builtins.open(file, mode=mode) if is_path(file) else file  # noqa: SIM115
        weakref.finalize(self, self._fp.close)
        super().__init__(upstream, **kwargs)

    def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        """Write an element."""
        self._fp.write(x + self._terminator)
        if metadata:
            self._fp.flush()

    def _drained(self) -> None:
        if not self._fp.closed:
            self._fp.flush()
