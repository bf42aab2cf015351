"""Time limits of calls on an engine."""

from __future__ import annotations

from math import isfinite
from typing import Any

from thalweg.errors import BuildError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.parallel.backends import Backend

__all__ = ["check_can_stop", "check_limit"]


def check_limit(time_limit: Any, name: str) -> float | None:
    """Return a time limit in seconds; raise an error that names the node if it is none.

    Raises
    ------
    BuildError
        It is not a number, or negative, or has no end.

    Examples
    --------
    >>> from thalweg.parallel.time_limits import check_limit
    >>> check_limit(-1, "map(load)")
    Traceback (most recent call last):
    thalweg.errors.BuildError: map(load): `time_limit` is a number of seconds, 0 or more, not -1
    """
    if time_limit is None:
        return None
    is_number = isinstance(time_limit, (int, float)) and not isinstance(time_limit, bool)
    if not is_number or not isfinite(time_limit) or time_limit < 0:
        raise BuildError(f"{name}: `time_limit` is a number of seconds, 0 or more, not {time_limit!r}")
    return float(time_limit)


def check_can_stop(backend: Backend, name: str) -> None:
    """Raise an error that says what to use instead, unless the engine can end a call.

    Raises
    ------
    BuildError
        It can't.

    Examples
    --------
    >>> from thalweg.parallel.backends import Backend
    >>> from thalweg.parallel.time_limits import check_can_stop
    >>> check_can_stop(Backend("an engine"), "map(load)")
    Traceback (most recent call last):
    thalweg.errors.BuildError: map(load): `time_limit`: Backend can't stop a call; scatter to a \
thalweg.tasks.Client(processes=True), which can, or to one of threads, where calls are told to stop
    """
    if not backend.can_stop:
        raise BuildError(
            f"{name}: `time_limit`: {backend.kind} can't stop a call; scatter to a "
            "thalweg.tasks.Client(processes=True), which can, or to one of threads, where calls are told to stop"
        )
