"""The longest line that sources take."""

from __future__ import annotations

#: The longest line that is taken where nothing else is said, in bytes: 16 MiB.
MAX_LEN = 16 * 1024 * 1024


def check_max_len(max_len: int, source: str) -> int:
    """Return a limit in bytes; raise an error that names the source if it is none.

    Examples
    --------
    >>> from thalweg.sources.limits import check_max_len
    >>> check_max_len(0, "from_tcp")
    Traceback (most recent call last):
    ValueError: from_tcp: `max_len` is at least 1 byte, not 0
    """
    from operator import index

    try:
        number = index(max_len)
    except TypeError:
        raise TypeError(f"{source}: `max_len` is a number of bytes, not {max_len!r}") from None
    if number < 1:
        raise ValueError(f"{source}: `max_len` is at least 1 byte, not {number}")
    return number
