"""Sources, by the names that rapidz's module ``sources`` has for them."""

from __future__ import annotations

from thalweg import sources as ours
from thalweg.compat.rapidz.core import Stream, convert_interval
from thalweg.compat.rapidz.dialect import DIALECT
from thalweg.sources import Source, sink_to_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import Interval

__all__ = [
    "PeriodicCallback",
    "Source",
    "Stream",
    "convert_interval",
    "filenames",
    "from_textfile",
    "sink_to_file",
]


class from_textfile(ours.from_textfile):
    r"""Emit the lines of a text file; see :class:`thalweg.from_textfile`.

    Examples
    --------
    >>> import io
    >>> from thalweg import VirtualClock
    >>> from thalweg.compat.rapidz import Stream
    >>> clock = VirtualClock()
    >>> source = Stream.from_textfile(io.StringIO("a\nb\n"), 0.1, "\n", True, loop=clock)
    >>> L = source.sink_to_list()
    >>> clock.advance("1s")
    >>> L
    ['a\n', 'b\n']
    """

    _dialect = DIALECT

    def __init__(
        self, f: Any, poll_interval: Interval = 0.1, delimiter: str = "\n", start: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(f, poll_interval, delimiter, start=start, **kwargs)


class filenames(ours.filenames):
    """Emit the names of files as they appear; see :class:`thalweg.filenames`.

    Examples
    --------
    >>> from thalweg.compat.rapidz import Stream
    >>> Stream.filenames("data/*.csv", 0.1, False).stopped
    True
    """

    _dialect = DIALECT


# Through the class, as in rapidz; those of ours that it has not stay as they are.
Stream.from_textfile = staticmethod(from_textfile)  # type: ignore[method-assign, assignment]
Stream.filenames = staticmethod(filenames)  # type: ignore[method-assign]


def PeriodicCallback(
    callback: Callable[[], Any], callback_time: float, asynchronous: bool | None = False, **kwargs: Any
) -> ours.from_periodic:
    """Emit what a function returns every `callback_time` milliseconds, from now on.

    Parameters
    ----------
    callback:
        Called without arguments.
    callback_time:
        The time between calls, in milliseconds.
    asynchronous:
        See :class:`thalweg.Stream`.
    **kwargs:
        Options of :class:`thalweg.from_periodic`. Tornado's `jitter` makes no difference.

    Examples
    --------
    >>> from thalweg import VirtualClock
    >>> from thalweg.compat.rapidz.sources import PeriodicCallback
    >>> clock = VirtualClock()
    >>> source = PeriodicCallback(lambda: "tick", 500, asynchronous=None, loop=clock)
    >>> L = source.sink_to_list()
    >>> clock.advance("1.2s")
    >>> L
    ['tick', 'tick', 'tick']
    """
    kwargs.pop("jitter", None)
    source = ours.from_periodic(callback, callback_time / 1000, asynchronous=asynchronous, start=True, **kwargs)
    source._dialect = DIALECT
    return source
