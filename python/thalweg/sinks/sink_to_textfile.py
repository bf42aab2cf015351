"""Writing elements as lines of a text file."""

from __future__ import annotations

import builtins
import weakref

from thalweg.errors import log_failure
from thalweg.runtime.program_end import call_after_drain
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import is_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Metadata


@Stream.register_api()
class sink_to_textfile(Sink):
    """Write elements to a plain text file, one per line.

    The file is flushed when the pipeline is drained, and closed with the sink. An element with a
    :class:`~thalweg.RefCounter` is flushed at once: it is acknowledged when the operating system has it. An element
    that cannot be written fails; so does another one whose flush failed with it.

    Parameters
    ----------
    file: str, path or file-like
        A name, or a file opened for writing text.
    end: str
        Written after each element.
    mode: str
        Mode for a named file: ``"a"`` appends, ``"w"`` replaces the content.

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
        self._fp: Any = builtins.open(file, mode=mode) if is_path(file) else file  # noqa: SIM115
        self._told: list[OSError] = []
        # Closed with the sink; an exit handler would run before the last elements.
        weakref.finalize(self, _close, self._fp, self._told).atexit = False
        _sinks.add(self)
        super().__init__(upstream, **kwargs)

    def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        """Write an element."""
        self._call(self._fp.write, x + self._terminator)
        if metadata:
            self._call(self._fp.flush)

    def _drained(self) -> None:
        if not self._fp.closed:
            self._call(self._fp.flush)

    def _call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a method of the file, and record that the caller gets its error."""
        try:
            function(*args)
        except OSError as error:
            self._told[:] = [error]
            raise


#: The open ones.
_sinks: weakref.WeakSet[sink_to_textfile] = weakref.WeakSet()


def _flush_all() -> None:
    """Write what is still buffered, even if nobody waits for the drain any more."""
    for sink in list(_sinks):
        told = list(sink._told)
        try:
            sink._drained()
        except OSError as error:
            if not told:
                log_failure(error, "sink_to_textfile")


call_after_drain(_flush_all)


def _close(file: Any, told: list[OSError]) -> None:
    """Close a file, and log an error that has not been reported."""
    try:
        file.close()
    except OSError as error:
        if not told:
            log_failure(error, "sink_to_textfile")
