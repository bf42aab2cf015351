"""Exceptions, and what is done about them."""

from __future__ import annotations

import sys

# Not when the first failure is told: by then there may be no descriptor left to read a module with.
from thalweg.errors.reprs import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Literal

    from thalweg._types import Interval
    from thalweg.stream import Stream


class PipelineError(Exception):
    """Something about a pipeline, rather than about a user's function.

    Examples
    --------
    >>> from thalweg import ClosedError, PipelineError
    >>> issubclass(ClosedError, PipelineError)
    True
    """


class ClosedError(PipelineError):
    """The pipeline has been drained, and takes no more elements.

    Examples
    --------
    >>> from thalweg import ClosedError, Stream
    >>> source = Stream()
    >>> source.drain()
    >>> try:
    ...     source.emit(1)
    ... except ClosedError:
    ...     print("closed")
    closed
    """


def is_refusal(error: BaseException) -> bool:
    """Whether a pipeline that has been drained has refused an element: no failure of a function that has emitted into
    one, which has a note.

    Examples
    --------
    >>> from thalweg import ClosedError
    >>> from thalweg.errors import add_note, is_refusal
    >>> error = ClosedError()
    >>> is_refusal(error)
    True
    >>> add_note(error, "sink(emit)", 1, "x")
    >>> is_refusal(error)
    False
    """
    return isinstance(error, ClosedError) and not getattr(error, "__notes__", None)


class BuildError(PipelineError, ValueError):
    """An argument no pipeline can be built with.

    Examples
    --------
    >>> from thalweg import BuildError
    >>> issubclass(BuildError, ValueError)
    True
    """


class UndeliveredError(PipelineError):
    """A drain ended before everything had been delivered.

    Attributes
    ----------
    held:
        Pairs of a node's name and the number of elements it still holds.
    exceptions:
        What failed without anybody waiting.

    Examples
    --------
    >>> from thalweg import UndeliveredError
    >>> error = UndeliveredError("after 1 s", [("buffer", 3)], [])
    >>> error.held
    [('buffer', 3)]
    """

    def __init__(self, message: str, held: list[tuple[str, int]], exceptions: list[BaseException]) -> None:
        super().__init__(message)
        self.held = held
        self.exceptions = exceptions

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.held, self.exceptions), self.__dict__


class SeveralFailures(PipelineError):
    """Several elements of an ``emit_many`` failed.

    Attributes
    ----------
    exceptions:
        What was raised, in the order of the elements.

    Examples
    --------
    >>> from thalweg import SeveralFailures, Stream
    >>> source = Stream()
    >>> L = source.map(int).sink_to_list()
    >>> try:
    ...     source.emit_many(["1", "two", "three"])
    ... except SeveralFailures as failures:
    ...     print(len(failures.exceptions), L)
    2 [1]
    """

    def __init__(self, exceptions: list[BaseException]) -> None:
        super().__init__(f"{len(exceptions)} elements failed; the first: {short_repr(exceptions[0])}")
        self.exceptions = exceptions
        self.__cause__: BaseException | None = exceptions[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exceptions,), self.__dict__


def together(exceptions: list[BaseException]) -> SeveralFailures:
    """Make one exception of several.

    Examples
    --------
    >>> from thalweg.errors import together
    >>> together([ValueError("a"), ValueError("b")])
    SeveralFailures("2 elements failed; the first: ValueError('a')")
    """
    return SeveralFailures(exceptions)


class Failure:
    """An element that a function failed on: what streams of failures carry.

    Attributes
    ----------
    node:
        The name of the node.
    ordinal:
        Which of the node's elements it was, counted from 1.
    element:
        The element.
    exception:
        What the function raised.
    attempts:
        Attempts at the element, all of which failed: 1, or as many as :class:`Retry` made.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source, failures = Stream(), Stream()
    >>> L = failures.sink_to_list()
    >>> node = source.map(int, on_error=failures)
    >>> source.emit("two")
    >>> L[0].element, L[0].ordinal, type(L[0].exception).__name__
    ('two', 1, 'ValueError')
    """

    __slots__ = ("attempts", "element", "exception", "node", "ordinal")

    def __init__(self, node: str, ordinal: int, element: Any, exception: BaseException, attempts: int = 1) -> None:
        self.node: str = node
        self.ordinal: int = ordinal
        self.element: Any = element
        self.exception: BaseException = exception
        self.attempts: int = attempts

    def __repr__(self) -> str:
        return f"Failure({self.node}, {short_repr(self.element)}, {short_repr(self.exception)})"


class Retry:
    """A policy: try an element again that the function failed on.

    Parameters
    ----------
    times:
        How often, at most.
    backoff:
        How long to wait before the second attempt, in seconds or as text such as ``"100ms"``; each
        further pause is twice as long. None, the default, does not wait.
    at_most:
        The longest pause.
    then:
        What is done if all attempts fail: ``"raise"``, ``"skip"``, or a stream.

    Examples
    --------
    >>> from thalweg import Retry, Stream
    >>> calls = []
    >>> def unreliable(x):
    ...     calls.append(x)
    ...     if len(calls) < 3:
    ...         raise OSError("not yet")
    ...     return x
    >>> source = Stream()
    >>> L = source.map(unreliable, on_error=Retry(5)).sink_to_list()
    >>> source.emit(1)
    >>> L, calls
    ([1], [1, 1, 1])
    """

    times: int

    def __init__(
        self,
        times: int,
        backoff: Interval | None = None,
        at_most: Interval | None = None,
        then: Literal["raise", "skip"] | Stream = "raise",
    ) -> None:
        from operator import index

        from thalweg.runtime.intervals import convert_interval

        try:
            self.times = index(times)
        except TypeError:
            raise TypeError(f"Retry: `times` is a whole number, not {times!r}") from None
        if self.times < 0:
            raise ValueError(f"Retry: `times` is how often to try again, not {times}")
        self.backoff: float | None = None if backoff is None else float(convert_interval(backoff))
        self.at_most: float | None = None if at_most is None else float(convert_interval(at_most))
        self.then = then

    def __repr__(self) -> str:
        return f"Retry({self.times}, backoff={self.backoff}, then={self.then!r})"


def short_repr(x: Any) -> str:
    """Return what `x` is in at most 200 characters, made in a short time however large it is.

    Examples
    --------
    >>> from thalweg.errors import short_repr
    >>> short_repr("two")
    "'two'"
    >>> len(short_repr("x" * 10**8)), len(short_repr([list(range(10**4))] * 10**4)) <= 200
    (200, True)
    """
    return short(x)


def add_note(exception: BaseException, node: str, ordinal: int, *element: Any) -> None:
    """Say on an exception which node and which element it is about, once. The element may be unknown.

    Examples
    --------
    >>> from thalweg.errors import add_note
    >>> error = ValueError("bad")
    >>> add_note(error, "map(int)", 2, "two")
    >>> error.__notes__
    ["in map(int), on element 2: 'two'"]
    """
    if any(getattr(type(x), "is_on_engine", False) for x in element):
        # It has been said where it happened, on the engine.
        return
    note = f"in {node}"
    if ordinal:
        note += ": ".join([f", on element {ordinal}", *map(short_repr, element)])
    notes = getattr(exception, "__notes__", None)
    if notes is None:
        notes = []
        try:
            # Past the class's own method: that of a frozen data class refuses everything.
            BaseException.__setattr__(exception, "__notes__", notes)
        except AttributeError:
            return
    if note not in notes:
        notes.append(note)


#: The name under which failures are logged; that of the package we stand in for, if we do.
logger_name = "thalweg"

#: The packages that we stand in for.
stands_for: set[str] = set()


def logs_at_once() -> bool:
    """Whether a failure that no emitter waits for is written to the log, as in the packages we stand in for; else the
    next `emit` or `drain` raises it.

    Examples
    --------
    >>> from thalweg import errors
    >>> errors.logs_at_once() == (errors.logger_name != "thalweg")
    True
    """
    return logger_name in PEERS


#: The packages whose meaning counts where thalweg stands in for them.
PEERS = ("streamz", "rapidz")


def log_failure(exception: BaseException, node: str | None = None, pipeline: str | None = None) -> None:
    """Write what a function raised to the log.

    The record has the attributes ``thalweg_node`` and ``thalweg_pipeline``: the names of both, or None where they are
    not known.

    Examples
    --------
    >>> import logging
    >>> from thalweg import errors
    >>> seen = []
    >>> logger = logging.getLogger(errors.logger_name)
    >>> logger.addFilter(lambda record: seen.append(record.getMessage()))
    >>> errors.log_failure(ValueError("bad"))
    >>> logger.removeFilter(logger.filters[-1])
    >>> seen
    ['bad']
    """
    if sys.is_finalizing():
        # Nothing can be imported any more.
        if sys.stderr is not None:
            sys.stderr.write(f"{type(exception).__name__}: {exception}\n")
        return
    names = {"thalweg_node": node, "thalweg_pipeline": pipeline}
    logger().error("%s", exception, exc_info=exception, extra=names)


def logger() -> logging.Logger:
    """Return the logger of the package, or of the one it stands in for.

    Examples
    --------
    >>> from thalweg.errors import logger
    >>> logger().propagate
    True
    """
    import logging

    return logging.getLogger(logger_name)
