"""Results of a function that is called periodically."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable
from thalweg.stream.typevars import T

__all__ = ["PeriodicCallback", "from_periodic"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_periodic(Source[T]):
    """Emit the results of a function that is called periodically.

    Parameters
    ----------
    callback: callable
        Called without arguments; an ``async def`` is awaited. If it fails, nothing is emitted for that call.
    poll_interval: number or text
        The time between calls: seconds, or a duration such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream.from_periodic(lambda: "tick", "10s", loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> clock.advance("25s")
    >>> L
    ['tick', 'tick', 'tick']
    """

    def __init__(self, callback: Callable[[], T], poll_interval: Interval = 0.1, **kwargs: Any) -> None:
        check_callable(callback, "from_periodic", "callback")
        self._cb = callback
        self._poll = check_interval(poll_interval, "from_periodic", "poll_interval")
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Call and emit, at times that do not drift."""
        loop: Any = self._event_loop
        due = loop.time()
        while not self.stopped:
            try:
                x = self._cb()
                if hasattr(x, "__await__"):
                    x = await x
            except Exception as error:
                self._log(error)
            else:
                await self._send(x)
            now = loop.time()
            due += self._poll
            if due < now and self._poll > 0:
                # Missed calls are skipped.
                due += self._poll * -((due - now) // self._poll)
            await self._pause(max(0.0, due - now))


def PeriodicCallback(
    callback: Callable[..., Any], callback_time: Interval, asynchronous: bool | None = False, **kwargs: Any
) -> from_periodic:
    """Emit the result of ``callback(**kwargs)`` every `callback_time` seconds: rapidz's name for
    :class:`from_periodic`.

    Examples
    --------
    >>> from thalweg import PeriodicCallback
    >>> source = PeriodicCallback(lambda text: text, "1s", text="tick")
    >>> source
    <from_periodic>
    """
    if kwargs:
        return from_periodic(lambda: callback(**kwargs), callback_time, asynchronous=asynchronous)
    return from_periodic(callback, callback_time, asynchronous=asynchronous)
