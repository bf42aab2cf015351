"""What every source is: it starts, stops, and says when it has ended."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sources.run import Run
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from thalweg._types import Metadata


class Source(Stream):
    """The start of a pipeline that elements come from by themselves, on its event loop.

    Subclasses define `_run`, one round, or `run`, all of it. A source that runs keeps its pipeline
    alive.

    Parameters
    ----------
    start: bool
        Whether to start at once; otherwise :meth:`start` does.
    **kwargs:
        Those of :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Source, VirtualClock
    >>> class Ticks(Source):
    ...     async def _run(self):
    ...         await self._send("tick")
    ...         await self._pause(60)
    >>> clock = VirtualClock()
    >>> ticks = Ticks(loop=clock, start=True)
    >>> L = ticks.sink_to_list()
    >>> clock.advance("90s")
    >>> L
    ['tick', 'tick']
    """

    _graphviz_shape = "doubleoctagon"

    def __init__(self, start: bool = False, **kwargs: Any) -> None:
        self._flag = _thalweg.Flag(True)
        self._run_state: Run | None = None
        self._is_ending = False
        super().__init__(ensure_io_loop=True, **kwargs)
        self.started = False
        if start:
            self.start()

    @property
    def stopped(self) -> bool:
        """Whether the source is to emit nothing more.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> source = Stream.from_iterable([1, 2], loop=VirtualClock())
        >>> source.stopped
        True
        """
        return self._flag.is_set

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._flag.is_set = stopped

    def start(self) -> None:
        """Have the source run; it goes on where it was stopped.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream.from_iterable([1, 2], loop=clock)
        >>> L = source.sink_to_list()
        >>> source.start()
        >>> clock.advance("1s")
        >>> L
        [1, 2]
        """
        if self.stopped:
            self.stopped = False
            self.started = True
            self._need_loop()
            self._run_state = Run()
            self.loop.add_callback(self._supervise, self._run_state)

    def stop(self) -> None:
        """Have the source stop after what it is doing.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream.from_periodic(lambda: "tick", "1min", loop=clock, start=True)
        >>> L = source.sink_to_list()
        >>> clock.advance("1s")
        >>> source.stop()
        >>> clock.advance("1h")
        >>> L
        ['tick']
        """
        if not self.stopped:
            self.stopped = True
            if self._run_state is not None:
                self._run_state.wake(self._event_loop)

    def _end(self) -> Run | None:
        """Have the source stop, and send what it keeps; return its run, to wait for."""
        self._is_ending = True
        self.stop()
        return self._run_state

    async def _supervise(self, state: Run) -> None:
        """Run, and say what went wrong."""
        from thalweg.errors import ClosedError, log_failure

        state.begin()
        try:
            result: Any = self.run()
            if hasattr(result, "__await__"):
                await result
        except ClosedError:
            self.stopped = True
        except Exception as error:
            self.stopped = True
            log_failure(error)
        finally:
            state.end()

    async def finished(self) -> None:
        """Wait until the source has no more, or has stopped.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg import Stream
        >>> async def main():
        ...     source = Stream.from_iterable([1, 2], asynchronous=True)
        ...     L = source.sink_to_list()
        ...     source.start()
        ...     await source.finished()
        ...     return L
        >>> asyncio.run(main())
        [1, 2]
        """
        if self._run_state is not None:
            await self._run_state.wait()

    async def run(self) -> None:
        """Emit everything, until :attr:`stopped`."""
        while not self.stopped:
            await self._run()

    async def _run(self) -> None:
        """Do one round: what subclasses define."""
        raise NotImplementedError

    async def _send(self, x: Any, metadata: Metadata = None) -> None:
        """Emit an element, and wait until it has been taken. A failure is the element's, not the
        source's: it is logged, and the source goes on.
        """
        from thalweg.errors import ClosedError, log_failure

        try:
            for waiting in self._emit(x, metadata):
                await waiting
        except ClosedError:
            raise
        except Exception as error:
            log_failure(error)

    async def _send_all(self, iterator: Iterator[Any]) -> bool:
        """Emit the elements of an iterator until there are no more or the source is stopped; return
        whether there are no more.
        """
        import asyncio

        from thalweg.errors import ClosedError, log_failure

        while not self.stopped:
            batch = _thalweg.Batch(iterator, 1024, self._flag)
            try:
                waiting = self.emit_many(batch, asynchronous=True)
                if waiting is not None:
                    await waiting
            except ClosedError:
                raise
            except Exception as error:
                if batch.problem is error:
                    raise
                log_failure(error)
            if batch.is_over:
                return True
            # Others on the loop have their turn.
            await asyncio.sleep(0)
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the source is stopped meanwhile."""
        if self._run_state is not None and not self.stopped:
            await self._run_state.pause(seconds)
