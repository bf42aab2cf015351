"""Elements put into a queue."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    import queue
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_q(Source[T]):
    """Emit the elements of a ``queue.Queue``; at the drain, also the rest of the queue.

    Parameters
    ----------
    q: queue.Queue
    sleep_time: number or text
        Interval of looking for elements.

    Examples
    --------
    >>> import queue
    >>> from thalweg import Stream, VirtualClock
    >>> clock, q = VirtualClock(), queue.Queue()
    >>> source = Stream.from_q(q, loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> q.put(1)
    >>> clock.advance("1s")
    >>> L
    [1]
    """

    def __init__(self, q: queue.Queue[T], sleep_time: Interval = 0.01, **kwargs: Any) -> None:
        if not hasattr(q, "get_nowait"):
            raise TypeError(f"from_q: `q` is a queue, not {q!r}")
        self.q = q
        self.sleep: Any = check_interval(sleep_time, "from_q", "sleep_time")
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit until stopped; at the end of the pipeline, also the rest of the queue."""
        await super().run()
        while self._is_ending and await self._send_next():
            await self._yield_if_due()

    async def _run(self) -> None:
        if not await self._send_next():
            await self._pause(self.sleep)

    async def _send_next(self) -> bool:
        import queue

        try:
            x = self.q.get_nowait()
        except queue.Empty:
            return False
        await self._send(x)
        return True
