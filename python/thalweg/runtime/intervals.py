"""Durations."""

from __future__ import annotations

from thalweg import _thalweg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any

#: Seconds: the maximum of 64-bit nanoseconds.
_LONGEST = 9_223_372_036


def convert_interval(interval: float | str | timedelta) -> float:
    """Convert a duration to seconds: from a number of seconds, text, or a ``timedelta``, also of pandas or numpy.

    Examples
    --------
    >>> from thalweg import convert_interval
    >>> convert_interval("500ms"), convert_interval("1h30min"), convert_interval(2)
    (0.5, 5400.0, 2)

    Raises
    ------
    ValueError
        The text is not a duration, or it is negative.
    """
    if isinstance(interval, str):
        return _thalweg.parse_interval(interval)
    if hasattr(interval, "total_seconds"):
        interval = interval.total_seconds()
    if not isinstance(interval, (int, float)) or isinstance(interval, bool):
        # numpy's numbers are numbers, but not floats.
        number = _to_float(interval)
        if number is None:
            raise TypeError(f"a length of time is a number of seconds or text, not {interval!r}")
        interval = number
    if not 0 <= interval < float("inf"):
        raise ValueError(f"a length of time is not negative, and ends: not {interval}")
    if interval > _LONGEST:
        try:
            shown = f"{interval:g}"
        except OverflowError:
            shown = "more than any float"
        raise ValueError(f"a length of time is at most 292 years, in seconds, not {shown}")
    return interval


def _to_float(number: Any) -> float | None:
    if isinstance(number, bool) or not hasattr(type(number), "__float__"):
        return None
    if type(number).__name__ == "timedelta64":
        return _seconds_of_numpy(number)
    try:
        return float(number)
    except (TypeError, ValueError):
        return None


def _seconds_of_numpy(duration: Any) -> float | None:
    """Seconds of a ``numpy.timedelta64``, whose float is a number of its own units; None if these are no fixed time."""
    if str(duration.dtype) == "timedelta64":
        return None
    try:
        return float(duration / type(duration)(1, "s"))
    except TypeError:
        # Months and years.
        return None


def check_interval(interval: float | str | timedelta, operator: str, argument: str) -> float:
    """Return an interval in seconds; raise an error that names the argument if it is invalid. Zero means no wait.

    Examples
    --------
    >>> from thalweg.runtime.intervals import check_interval
    >>> check_interval("1min", "timed_window", "interval")
    60.0
    >>> check_interval(-1, "timed_window", "interval")
    Traceback (most recent call last):
    ValueError: timed_window: `interval`: a length of time is not negative, and ends: not -1
    """
    try:
        return convert_interval(interval)
    except (TypeError, ValueError) as error:
        # Subclasses, such as that of text which has no UTF-8, take other arguments.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{operator}: `{argument}`: {error}") from None
