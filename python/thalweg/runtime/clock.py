"""A clock that is advanced by hand: an hour takes no time."""

from __future__ import annotations

from thalweg.runtime.intervals import convert_interval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, NoReturn, TypeVar

    from thalweg._types import Interval

    T = TypeVar("T")


class VirtualClock:
    """An event loop whose time is advanced by hand, for tests.

    Everything on it uses its time: streams, ``asyncio.sleep``, Tornado's ``gen.sleep``. Blocking calls, `emit` and
    `drain`, advance it as far as they have to wait.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream(loop=clock)
    >>> L = source.rate_limit("20min").sink_to_list()
    >>> for x in range(4):
    ...     source.emit(x)
    >>> L, clock.time()
    ([0, 1, 2, 3], 3600.0)
    """

    def __init__(self) -> None:
        from thalweg.runtime.virtual_loop import VirtualLoop

        #: The asyncio loop, for code that takes one.
        self.asyncio_loop: VirtualLoop = VirtualLoop()

    def time(self) -> float:
        """Return the seconds that have passed.

        Examples
        --------
        >>> from thalweg import VirtualClock
        >>> VirtualClock().time()
        0.0
        """
        return self.asyncio_loop.time()

    def advance(self, interval: Interval) -> None:
        """Advance the time, and run everything that becomes due: seconds, or text such as ``"1h"``.

        Examples
        --------
        >>> from thalweg import VirtualClock
        >>> clock = VirtualClock()
        >>> clock.advance("1h")
        >>> clock.time()
        3600.0
        """
        self.asyncio_loop.advance(convert_interval(interval))

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run a coroutine to its end, as ``asyncio.run`` does, and return its result; time advances as far as it has
        to.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg import VirtualClock
        >>> clock = VirtualClock()
        >>> clock.run(asyncio.sleep(3600, "an hour later"))
        'an hour later'
        """
        return self.asyncio_loop.run_until_complete(awaitable)

    def __copy__(self) -> VirtualClock:
        return self

    def __deepcopy__(self, memo: Any) -> VirtualClock:
        # A copy of what refers to it, such as a program's settings, goes by the same time.
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a 'VirtualClock': its time is that of this process")

    def __repr__(self) -> str:
        return f"<VirtualClock: {self.time()} s>"
