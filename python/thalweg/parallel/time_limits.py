"""Time limits of calls on an engine."""

from __future__ import annotations

from typing import Any

from thalweg.errors import BuildError
from thalweg.runtime.intervals import check_interval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.parallel.backends import Backend

__all__ = ["check_can_stop", "check_limit"]


def check_limit(time_limit: Any, name: str) -> float | None:
    """Return a time limit in seconds; raise an error that names the node if it is invalid.

    Raises
    ------
    BuildError
        It is not a duration, or negative, or infinite.

    Examples
    --------
    >>> from thalweg.parallel.time_limits import check_limit
    >>> check_limit("500ms", "map(load)")
    0.5
    >>> check_limit(-1, "map(load)")
    Traceback (most recent call last):
    thalweg.errors.BuildError: map(load): `time_limit`: a length of time is not negative, and ends: not -1
    """
    if time_limit is None:
        return None
    try:
        return float(check_interval(time_limit, name, "time_limit"))
    except (TypeError, ValueError) as error:
        raise BuildError(str(error)) from None


def check_can_stop(backend: Backend, name: str) -> None:
    """Raise an error with an alternative, unless the engine can stop a call.

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
