"""Reference counters: streamz's acknowledgements."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class RefCounter:
    """Counts the holders of an element, and calls back when there are none.

    It is attached to an element as ``metadata=[{"ref": counter}]``. The engine holds one count from `emit` until
    everything derived from the element has been delivered or dropped on purpose; then the callback is called, once. The
    count of a failed element is released as well, but its callback is not called: the element has to be delivered
    again. The node's policy decides whether an element has failed: with ``on_error="skip"`` it was dropped on purpose,
    and the callback is called; a stream of failures delivers it.

    Parameters
    ----------
    initial:
        The initial count.
    cb:
        Called without arguments when the count reaches zero.
    loop:
        The event loop to call it on; without one it is called at once.

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
        """Add `n` to the count.

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
        """Subtract `n` from the count; call back if it reaches zero.

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
