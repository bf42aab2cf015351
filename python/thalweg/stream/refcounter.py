"""Reference counters: streamz's way to hear that an element is done with."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class RefCounter:
    """Counts who still holds an element, and calls back when nobody does.

    It goes with an element as ``metadata=[{"ref": counter}]``. The engine holds one count from `emit`
    until everything derived from the element has been delivered or dropped on purpose; then the
    callback is called, once. An element that failed is counted down as well, but its callback is not
    called: what it acknowledges has to be delivered again. Whether it has failed is said by the policy of the node:
    under ``on_error="skip"`` it was dropped on purpose, and is called back; a stream of failures delivers it.

    Parameters
    ----------
    initial:
        The count to start with.
    cb:
        Called without arguments when the count comes down to zero.
    loop:
        The event loop to call it on; it is called at once where there is none.

    Examples
    --------
    >>> from thalweg import RefCounter, Stream
    >>> source = Stream()
    >>> L = source.partition(2).sink_to_list()
    >>> done = []
    >>> for x in range(3):
    ...     counter = RefCounter(cb=lambda x=x: done.append(x))
    ...     source.emit(x, metadata=[{"ref": counter}])
    >>> done, counter
    ([0, 1], <RefCounter count=1>)
    """

    def __init__(self, initial: int = 0, cb: Callable[[], Any] | None = None, loop: Any = None) -> None:
        self.loop = loop
        self.count: int = initial
        self.cb = cb

    def retain(self, n: int = 1) -> None:
        """Count `n` more.

        Examples
        --------
        >>> from thalweg import RefCounter
        >>> counter = RefCounter()
        >>> counter.retain(2)
        >>> counter
        <RefCounter count=2>
        """
        self.count += n

    def release(self, n: int = 1) -> None:
        """Count `n` less; call back if that leaves none.

        Examples
        --------
        >>> from thalweg import RefCounter
        >>> counter = RefCounter(1, cb=lambda: print("done"))
        >>> counter.release()
        done
        """
        self.count -= n
        if self.count <= 0 and self.cb is not None:
            if self.loop is None:
                self.cb()
            else:
                self.loop.add_callback(self.cb)

    def _release_failed(self) -> None:
        self.count -= 1

    def __repr__(self) -> str:
        return f"<RefCounter count={self.count}>"
