"""Waiting for futures: in a thread, or on an event loop."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Awaitable, Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from thalweg._thalweg.tasks import Future, Interest, OutOfTheWay, current_token
from thalweg.runtime.intervals import convert_interval
from thalweg.tasks.client import registry, tree
from thalweg.tasks.client.aside import LOOK, MOMENT, awaiting_others
from thalweg.tasks.errors import CancelledError
from thalweg.tasks.sync.signals import Signal

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Token
    from thalweg._types import Interval

T = TypeVar("T")

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"

ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]

#: Statuses of a future that end the wait at once.
_ENOUGH: dict[str, frozenset[str]] = {
    ALL_COMPLETED: frozenset(),
    FIRST_COMPLETED: frozenset({"finished", "error", "cancelled"}),
    FIRST_EXCEPTION: frozenset({"error"}),
}
FAILED = frozenset({"error", "cancelled"})


class DoneAndNotDone(NamedTuple):
    """Result of `wait`.

    Examples
    --------
    >>> from thalweg.tasks import Client, wait
    >>> with Client() as client:
    ...     future = client.submit(abs, -1)
    ...     wait(future).done == {future}
    True
    """

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def settled(futures: Iterable[Future[Any]], enough: frozenset[str]) -> Signal[None]:
    """Return an event for the end of all futures, or of one in a way that is enough."""
    signal: Signal[None] = Signal()
    pending = []
    for future in futures:
        if not future.done():
            pending.append(future)
        elif future.status in enough:
            signal.answer(None)
            return signal
    left = len(pending)
    if not left:
        signal.answer(None)
        return signal
    lock, interest = Lock(), Interest()

    def ended(future: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left and future.status not in enough:
                return
        signal.answer(None)

    for future in list(pending):
        future._notify_holder(ended, interest)
    # The tasks are wanted until the wait succeeds or is given up.
    held = [pending, interest]
    del pending, interest
    signal.add_done_callback(lambda _: held.clear())
    return signal


def wait(
    fs: Any,
    timeout: Interval | None = None,
    return_when: ReturnWhen = "ALL_COMPLETED",
    *,
    asynchronous: bool | None = None,
) -> Any:
    """Wait until futures have ended.

    Parameters
    ----------
    fs
        Futures, or containers of them.
    timeout
        Time limit, in seconds or as text such as ``"5s"``.
    return_when
        ``"ALL_COMPLETED"``, ``"FIRST_COMPLETED"``, or ``"FIRST_EXCEPTION"``: also when one has failed.
    asynchronous
        Whether to return an awaitable; by default as the futures' client does.

    Returns
    -------
    A pair of sets: ``done`` and ``not_done``.

    Raises
    ------
    TimeoutError
        They did not end in time.
    CancelledError
        A finished future was cancelled.
    TypeError
        The timeout is not a duration: it may be a future meant for the list before it.

    Examples
    --------
    >>> from thalweg.tasks import Client, wait
    >>> with Client() as client:
    ...     futures = client.map(abs, [-1, -2])
    ...     done, not_done = wait(futures)
    >>> len(done), len(not_done)
    (2, 0)
    """
    if return_when not in _ENOUGH:
        raise ValueError(f"return_when: one of {', '.join(_ENOUGH)}, not {return_when!r}")
    if type(timeout) in tree.KINDS:
        raise TypeError("wait: the second argument is the timeout; several futures go into a list: wait([x, y])")
    seconds = None if timeout is None else convert_interval(timeout)
    futures = tree.flat(fs)
    signal = settled(futures, _ENOUGH[return_when])
    if asynchronous is None:
        asynchronous = bool(futures) and registry.client_of(futures[0].engine).asynchronous
    if asynchronous:
        return _sorted_later(signal, futures, seconds)
    block(signal, seconds)
    return _sorted(futures)


async def _sorted_later(signal: Signal[None], futures: list[Future[Any]], seconds: float | None) -> DoneAndNotDone:
    await later(signal, seconds)
    return _sorted(futures)


def _sorted(futures: list[Future[Any]]) -> DoneAndNotDone:
    done = {future for future in futures if future.done()}
    cancelled = [future.key for future in futures if future.cancelled()]
    if cancelled:
        raise CancelledError(cancelled)
    return DoneAndNotDone(done, {future for future in futures if future not in done})


def block(signal: Signal[T], seconds: float | None, undo: Callable[[T], object] | None = None) -> T:
    """Wait for something in this thread; a result that arrives too late is undone.

    A task that is cancelled meanwhile stops waiting, and gives its place to another.
    """
    end = None if seconds is None else time.monotonic() + seconds
    token = current_token()
    try:
        if token is not None and (seconds is None or seconds > MOMENT) and signal.wait(MOMENT):
            return signal.result()
        with OutOfTheWay() as place:
            return _block(signal, seconds, end, token, place)
    except BaseException:
        # An interrupt, or a failure of what is waited for.
        _withdraw(signal, undo)
        raise


def _block(signal: Signal[T], seconds: float | None, end: float | None, token: Token | None, place: OutOfTheWay) -> T:
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if signal.wait(LOOK if left is None else min(LOOK, left)):
            return signal.result()
        if left is not None and left <= LOOK:
            # A result at the last moment counts.
            if not signal.cancel():
                return signal.result()
            raise _too_late(seconds)
        if token is not None:
            token.check()
            place.give()


async def later(signal: Signal[T], seconds: float | None, undo: Callable[[T], object] | None = None) -> T:
    """Wait for something on the event loop; a result that arrives too late is undone."""
    try:
        with awaiting_others():
            in_time = await signal.wait_on_loop(seconds)
        if not in_time and signal.cancel():
            raise _too_late(seconds)
        return signal.result()
    except BaseException:
        _withdraw(signal, undo)
        raise


def signal_of(future: concurrent.futures.Future[T]) -> Signal[T]:
    """Return an awaitable for the end of a future of `concurrent.futures`, which is cancelled with it."""
    signal: Signal[T] = Signal()

    def ended(future: concurrent.futures.Future[T]) -> None:
        if future.cancelled():
            signal.cancel()
        elif (error := future.exception()) is not None:
            signal.fail(error)
        else:
            signal.answer(future.result())

    signal.add_done_callback(lambda signal: signal.cancelled() and future.cancel())
    future.add_done_callback(ended)
    return signal


def _withdraw(signal: Signal[T], undo: Callable[[T], object] | None) -> None:
    if not signal.cancel() and undo is not None and signal.exception() is None:
        undo(signal.result())


def _too_late(seconds: float | None) -> TimeoutError:
    return TimeoutError(f"not within {seconds} s")


async def at_once(function: Callable[..., T], *args: Any) -> T:
    """Do something that does not block, when it is awaited."""
    return function(*args)


def either(asynchronous: bool, function: Callable[..., T], *args: Any) -> T | Awaitable[T]:
    """Do something that does not block: now, or when it is awaited."""
    return at_once(function, *args) if asynchronous else function(*args)


def error_of(future: Future[Any]) -> BaseException | None:
    """Return the error or cancellation of a finished future; also where `exception` is to be awaited."""
    if future.status not in FAILED:
        return None
    try:
        future._result_here()
    except BaseException as error:
        return error
    return None


def raisable(error: BaseException) -> BaseException:
    """Return the exception for an iterator whose task raised `error`: one that would end a loop silently becomes a
    RuntimeError, as in generators.

    Examples
    --------
    >>> from thalweg.tasks.client.waiting import raisable
    >>> raisable(StopIteration(1))
    RuntimeError('a task raised StopIteration(1)')
    >>> raisable(ValueError(1))
    ValueError(1)
    """
    if not isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):
        return error
    told = RuntimeError(f"a task raised {error!r}")
    told.__cause__ = error
    return told


def result_of(future: Future[T]) -> T:
    """Return the result of a finished future; also where `result` is to be awaited."""
    return future._result_here()
