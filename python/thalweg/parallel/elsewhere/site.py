"""Who is told of failures of functions on an engine."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from thalweg.errors import Failure, Retry, add_note
from thalweg.parallel.elsewhere.worker import Failed, Policy
from thalweg.parallel.reports import Site as NamedSite
from thalweg.parallel.reports import bearable

__all__ = ["Site", "fail"]

_numbers = count()
_sites: WeakValueDictionary[int, Site] = WeakValueDictionary()

#: How many failures a node remembers, to know them again when they come by another way.
_REMEMBERED = 4096


class Site(NamedSite):
    """A node as an engine elsewhere knows it: by a number.

    Examples
    --------
    >>> from thalweg.parallel.elsewhere.site import Site
    >>> site = Site("map(f)", "skip")
    >>> site.policy().skips
    True
    """

    def __init__(self, name: str, on_error: Any) -> None:
        super().__init__(name, on_error)
        self.number = next(_numbers)
        self._told: OrderedDict[bytes, None] = OrderedDict()
        _sites[self.number] = self

    def policy(self) -> Policy:
        """What of it is done where the function is called."""
        if isinstance(self.on_error, Retry):
            retry = self.on_error
            return Policy(retry.times, retry.backoff, retry.at_most, retry.then == "skip")
        return Policy(skips=self.on_error == "skip")

    def is_new(self, failed: Failed) -> bool:
        """Whether a failure comes for the first time: it takes every way behind a fork."""
        if failed.number in self._told:
            return False
        self._told[failed.number] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def fail(failed: Failed, ordinal: int, metadata: Any) -> Any:
    """Do what is to be done about a failure: return nothing, something to await, or raise."""
    site = None if failed.site is None else _sites.get(failed.site)
    exception = failed.exception
    if site is None:
        raise bearable(exception)
    if not site.is_new(failed):
        return None
    target = site.target
    if target is None:
        add_note(exception, site.name, ordinal, failed.element)
        raise bearable(exception)
    return target._emit(Failure(site.name, ordinal, failed.element, exception), metadata)
