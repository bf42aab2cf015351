"""Who is told of failures of functions on an engine."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from thalweg.errors import Failure, Retry, add_note
from thalweg.parallel.worker import Failed, Policy
from thalweg.stream import Stream

__all__ = ["Site", "fail"]

_numbers = count()
_sites: WeakValueDictionary[int, Site] = WeakValueDictionary()

#: How many failures a node remembers, to know them again when they come by another way.
_REMEMBERED = 4096


class Site:
    """A node as the engine knows it: by a number.

    Examples
    --------
    >>> from thalweg.parallel.site import Site
    >>> site = Site("map(f)", "skip")
    >>> site.policy().skips
    True
    """

    def __init__(self, name: str, on_error: Any) -> None:
        self.number = next(_numbers)
        self.name = name
        self.on_error = _checked(on_error)
        self._told: OrderedDict[bytes, None] = OrderedDict()
        _sites[self.number] = self

    def set_on_error(self, on_error: Any) -> None:
        """Change what is done about elements that the function fails on."""
        self.on_error = _checked(on_error)

    def policy(self) -> Policy:
        """What of it is done where the function is called."""
        if isinstance(self.on_error, Retry):
            retry = self.on_error
            return Policy(retry.times, retry.backoff, retry.at_most, retry.then == "skip")
        return Policy(skips=self.on_error == "skip")

    @property
    def target(self) -> Stream | None:
        """The stream that gets failures."""
        target = self.on_error.then if isinstance(self.on_error, Retry) else self.on_error
        return target if isinstance(target, Stream) else None

    def is_new(self, failed: Failed) -> bool:
        """Whether a failure comes for the first time: it takes every way behind a fork."""
        if failed.number in self._told:
            return False
        self._told[failed.number] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def _checked(on_error: Any) -> Any:
    wanted = 'on_error: "raise", "skip", a Retry or a stream, not'
    if isinstance(on_error, str) and on_error not in ("raise", "skip"):
        raise ValueError(f"{wanted} {on_error!r}")
    if on_error is not None and not isinstance(on_error, (str, Retry, Stream)):
        raise TypeError(f"{wanted} {on_error!r}")
    return on_error


def fail(failed: Failed, ordinal: int, metadata: Any) -> Any:
    """Do what is to be done about a failure: return nothing, something to await, or raise."""
    site = None if failed.site is None else _sites.get(failed.site)
    exception = failed.exception
    if site is None:
        raise _bearable(exception)
    if not site.is_new(failed):
        return None
    target = site.target
    if target is None:
        add_note(exception, site.name, ordinal, failed.element)
        raise _bearable(exception)
    return target._emit(Failure(site.name, ordinal, failed.element, exception), metadata)


def _bearable(exception: BaseException) -> BaseException:
    """What may go through an event loop: some exceptions mean something to it."""
    if isinstance(exception, StopIteration) or not isinstance(exception, Exception):
        error = RuntimeError(f"a function on the engine raised {exception!r}")
        error.__cause__ = exception
        return error
    return exception
