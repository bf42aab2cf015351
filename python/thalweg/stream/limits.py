"""Validation of sources' limits and ports."""

from __future__ import annotations

#: Default for the maximum length of a line, in bytes: 16 MiB.
MAX_LEN = 16 * 1024 * 1024


def check_max_len(max_len: int, source: str, argument: str = "max_len") -> int:
    """Return a limit in bytes; raise an error that names source and argument if it is invalid.

    Examples
    --------
    >>> from thalweg.stream.limits import check_max_len
    >>> check_max_len(0, "from_tcp")
    Traceback (most recent call last):
    ValueError: from_tcp: `max_len` is at least 1 byte, not 0
    """
    from operator import index

    try:
        number = index(max_len)
    except TypeError:
        raise TypeError(f"{source}: `{argument}` is a number of bytes, not {max_len!r}") from None
    if number < 1:
        raise ValueError(f"{source}: `{argument}` is at least 1 byte, not {number}")
    # A limit that no machine reaches is none.
    return min(number, 2**62)


def check_port(port: int, source: str) -> int:
    """Return a port number; raise an error that names the source if it is invalid.

    Examples
    --------
    >>> from thalweg.stream.limits import check_port
    >>> check_port(99999, "from_tcp")
    Traceback (most recent call last):
    ValueError: from_tcp: `port` is a number from 0 to 65535, not 99999
    """
    from operator import index

    try:
        number = index(port)
    except TypeError:
        raise TypeError(f"{source}: `port` is a number from 0 to 65535, not {port!r}") from None
    if not 0 <= number <= 65535:
        raise ValueError(f"{source}: `port` is a number from 0 to 65535, not {number}")
    return number
