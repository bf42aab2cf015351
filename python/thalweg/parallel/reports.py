"""Reports of failures of functions on an engine."""

from __future__ import annotations

from typing import Any

from thalweg.errors import Failure, Retry, add_note
from thalweg.stream import Stream

__all__ = ["Site", "bearable", "report"]

#: Default for the longest pause between two attempts, in seconds.
_LONGEST = 60.0


class Site:
    """A node whose function is called on an engine: its name, and its policy.

    Examples
    --------
    >>> from thalweg.parallel.reports import Site
    >>> Site("map(f)", "skip").skips
    True
    """

    def __init__(self, name: str, on_error: Any) -> None:
        self.name = name
        self.on_error: Any = _checked(on_error)

    def set_on_error(self, on_error: Any) -> None:
        """Set how to handle elements that the function fails on."""
        self.on_error = _checked(on_error)

    @property
    def skips(self) -> bool:
        """Whether the element is dropped in the end."""
        return (self.on_error.then if isinstance(self.on_error, Retry) else self.on_error) == "skip"

    def apply_to(self, step: Any) -> None:
        """Configure the part of the policy that runs on the engine: retrying and dropping."""
        retry = self.on_error if isinstance(self.on_error, Retry) else Retry(0)
        longest = _LONGEST if retry.at_most is None else float(retry.at_most)
        step.set_policy(retry.times, float(retry.backoff or 0), longest, self.skips)

    @property
    def target(self) -> Stream | None:
        """The stream that receives failures."""
        target = self.on_error.then if isinstance(self.on_error, Retry) else self.on_error
        return target if isinstance(target, Stream) else None


def _checked(on_error: Any) -> Any:
    wanted = 'on_error: "raise", "skip", a Retry or a stream, not'
    if isinstance(on_error, str) and on_error not in ("raise", "skip"):
        raise ValueError(f"{wanted} {on_error!r}")
    if on_error is not None and not isinstance(on_error, (str, Retry, Stream)):
        raise TypeError(f"{wanted} {on_error!r}")
    if isinstance(on_error, Retry):
        _checked(on_error.then)
    return on_error


def report(site: Site | None, exception: BaseException, ordinal: int, element: Any) -> tuple[Stream, Failure] | None:
    """Handle a failure: raise it, or return a stream and the element to emit into it. Called by the engine.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.parallel.reports import Site, report
    >>> failures = Stream()
    >>> target, failure = report(Site("map(f)", failures), ValueError("bad"), 3, 2)
    >>> target is failures, failure.element
    (True, 2)
    """
    if site is None:
        raise bearable(exception)
    target = site.target
    if target is None:
        add_note(exception, site.name, ordinal, element)
        raise bearable(exception)
    return target, Failure(site.name, ordinal, element, exception)


def bearable(exception: BaseException) -> BaseException:
    """Return an exception that may pass through an event loop: some have a special meaning there.

    Examples
    --------
    >>> from thalweg.parallel.reports import bearable
    >>> bearable(KeyboardInterrupt())
    RuntimeError('a function on the engine raised KeyboardInterrupt()')
    """
    if isinstance(exception, StopIteration) or not isinstance(exception, Exception):
        error = RuntimeError(f"a function on the engine raised {exception!r}")
        error.__cause__ = exception
        return error
    return exception
