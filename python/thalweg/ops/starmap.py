"""The operator :class:`~thalweg.starmap`."""

from __future__ import annotations

from thalweg.ops.map import map
from thalweg.stream import Stream


@Stream.register_api()
class starmap(map):
    """Apply a function to every element in the stream, splayed out: ``func(*x, *args)``.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after those of the element.
    on_error:
        See :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.starmap(lambda a, b: a + b).sink_to_list()
    >>> source.emit((1, 10))
    >>> L
    [11]
    """

    _splayed = True
