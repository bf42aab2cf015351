"""The base of all sources: start, stop, and end."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime import loops, pipelines
from thalweg.sources.run import Run
from thalweg.stream import Stream
from thalweg.stream.names import pipeline_name
from thalweg.stream.typevars import T

__all__ = ["Source"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from thalweg._thalweg.sources import RustSource
    from thalweg._types import Metadata, OnError


#: Maximum time in seconds that a source emits before other tasks of its event loop get a turn.
_TURN = 0.01


class Interrupted(Exception):
    """A function has raised an exception that is not an element's failure, such as ``SystemExit``: its cause."""


class Source(Stream[T]):
    """A node that emits elements by itself, on the pipeline's event loop.

    Subclasses define `_run`, one round, or `run`, the whole. A running source keeps its pipeline alive. Failures
    downstream are logged, and the source continues. Input that it cannot convert to an element is its own failure,
    handled by its `on_error`: ``"raise"`` logs it. It ends, and logs that, if a function raises ``SystemExit`` or
    another exception that is not an ``Exception``; :meth:`start` continues.

    Parameters
    ----------
    start: bool
        Whether to start at once; otherwise call :meth:`start`.
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
        self._failures = 0
        self._telling: set[Any] = set()
        self._on_error: OnError = kwargs.get("on_error")
        super().__init__(ensure_io_loop=True, **kwargs)
        self.started: bool = False
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
        if stopped and self._rust_source is not None:
            self._rust_source.stop(self._is_ending)

    def start(self) -> None:
        """Start the source; it continues where it was stopped.

        A source with ``asynchronous=True`` that is started without a running event loop gets one on a separate thread,
        as in streamz, since no loop may ever run.

        Raises
        ------
        ClosedError
            The pipeline has been drained.

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
        if not self.stopped:
            return
        self._find_running_loop()
        was_started, before, run = self.started, self._run_state, Run()
        self.stopped = False
        self.started, self._run_state = True, run
        try:
            self.loop.add_callback(self._supervise, run, before)
        except BaseException:
            self.stopped = True
            self.started, self._run_state = was_started, before
            raise

    def _find_running_loop(self) -> None:
        """Give the pipeline an event loop that runs, or may run; raise an error if it can have none."""
        if pipelines.is_drained(self._pipeline):
            from thalweg.errors import ClosedError

            raise ClosedError(
                f"{self._own_name()}: the pipeline was drained and takes no more elements; build a new one"
            )
        # As in streamz.
        self._begin_without_loop()
        self._need_loop()
        if self.asynchronous and loops.running() is not None:
            self._follow_loop()
        if self._event_loop is not None and self._event_loop.is_closed():
            # Tornado would take the callback, and never call it.
            raise RuntimeError(f"{self._own_name()}: the event loop has been closed")

    def stop(self) -> None:
        """Stop the source after its current work.

        Elements that were read together are still sent: the lines of a chunk, and up to 1024 elements of an iterable.

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
            self._wake()

    def _end(self) -> Run | None:
        """Stop the source, and emit the elements it keeps; return its run, to wait for."""
        self._is_ending = True
        self.stop()
        return self._run_state

    async def _supervise(self, state: Run, before: Run | None) -> None:
        """Run, once the run before has ended, and report errors."""
        import asyncio

        state.begin()
        try:
            if before is not None and before.goes_on_here():
                await before.wait()
            if not self.stopped:
                result: Any = self.run()
                if hasattr(result, "__await__"):
                    await result
                elif hasattr(result, "__next__") or hasattr(result, "__anext__"):
                    raise TypeError("`run` emits elements by `await self.emit(x)`; what it yields goes nowhere")
            if self._ended_by is not None:
                raise self._ended_by
        except asyncio.CancelledError as error:
            # The event loop has ended, unless a function has raised it.
            if not _is_cancelled(asyncio.current_task()):
                self._log_end(error)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._tell_end(error)
        finally:
            self._ended_by = None
            if self._run_state is state:
                self.stopped = True
            state.end()

    async def _run_in_rust(self, source: RustSource) -> None:
        """Run a source written in Rust, until it ends or is stopped."""
        self._rust_source = source
        before = source.end_of_run(self)
        if before is not None:
            try:
                await before
            except Exception as error:
                self._log(error)
            if self.stopped:
                return
        over = source.run(self)
        try:
            await over
        finally:
            source.stop()

    _rust_source: RustSource | None = None

    def _end_with(self, error: Exception) -> None:
        """End the run with an error that occurred beside it."""
        self._ended_by = error
        self.stop()

    _ended_by: Exception | None = None

    def _tell_end(self, error: BaseException) -> None:
        """Log what ended the run."""
        from thalweg.errors import is_refusal

        if is_refusal(error):
            # The pipeline has ended.
            return
        interrupt = error.__cause__ if isinstance(error, Interrupted) else error
        if interrupt is None or isinstance(interrupt, Exception):
            self._log(error)
            return
        self._log_end(interrupt)
        if self.asynchronous and isinstance(interrupt, (KeyboardInterrupt, SystemExit)):
            # The loop is the user's, and so is the program that it ends.
            raise interrupt from None

    def _log(self, error: BaseException) -> None:
        from thalweg.errors import log_failure

        log_failure(error, self._own_name(), self._pipeline_name())

    def _log_end(self, error: BaseException | None) -> None:
        import logging

        from thalweg import errors

        names = {"thalweg_node": self._own_name(), "thalweg_pipeline": self._pipeline_name()}
        text = "%s has ended: a function raised %r"
        logging.getLogger(errors.logger_name).error(text, self, error, exc_info=error, extra=names)

    def _pipeline_name(self) -> str | None:
        """Return the names of the pipeline's beginnings, as the dashboard shows them."""
        return pipeline_name(self._pipeline.nodes()) or None

    def _set_on_error(self, on_error: Any) -> None:
        super()._set_on_error(on_error)
        self._on_error = on_error

    def _fail(self, error: Exception, element: Any = None) -> None:
        """Apply the policy to an element that could not be created."""
        from thalweg.errors import Failure, Retry, add_note

        self._failures += 1
        policy = self._on_error
        while isinstance(policy, Retry):
            policy = policy.then
        name = self._own_name()
        add_note(error, name, 0, element)
        if isinstance(policy, Stream):
            self._tell(policy, Failure(name, 0, element, error))
        elif policy != "skip":
            self._log(error)

    def _tell(self, target: Stream, failure: Any) -> None:
        """Pass a failure to a stream, without waiting."""
        import asyncio

        async def wait(waiting: Any) -> None:
            try:
                await waiting
            except Exception as error:
                self._log(error)

        try:
            for waiting in target._receive(failure):
                task = asyncio.ensure_future(wait(waiting))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)
        except Exception as error:
            self._log(error)

    def _counters(self) -> tuple[int, int, int, int, float]:
        received, sent, failed, held, waited = super()._counters()
        return received, sent, failed + self._failures, held, waited

    async def finished(self) -> None:
        """Wait until the source has ended or stopped.

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
        """Emit all elements, until :attr:`stopped`."""
        while not self.stopped:
            await self._run()
            await self._yield_if_due()

    async def _yield_if_due(self) -> None:
        """Give other tasks of the loop a turn, if the source's turn has lasted long enough."""
        loop: Any = self._event_loop
        if loop.time() >= self._turn_ends:
            import asyncio

            await asyncio.sleep(0)
            self._turn_ends = loop.time() + _TURN

    _turn_ends = 0.0

    async def _run(self) -> None:
        """Do one round; defined by subclasses."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} defines neither `run`, which emits all elements, nor `_run`, for one round")

    async def _send(self, x: Any, metadata: Metadata = None) -> None:
        """Emit an element, and wait until it has been accepted. A failure belongs to the element, not the source: it is
        logged, and the source continues.
        """
        from thalweg.errors import is_refusal

        try:
            for waiting in self._begin(self._emit, x, metadata):
                await waiting
        except Interrupted:
            raise
        except Exception as error:
            if is_refusal(error):
                raise
            self._log(error)

    def _begin(self, emit: Callable[..., Any], *args: Any) -> Any:
        """Call ``emit(*args)``; an exception that is not an element's failure ends the source."""
        try:
            return emit(*args)
        except Exception:
            raise
        except BaseException as error:
            raise Interrupted from error

    async def _send_all(self, iterator: Iterator[Any]) -> bool:
        """Emit the elements of an iterator until it ends or the source is stopped; return whether it has ended."""
        import asyncio

        from thalweg.errors import is_refusal

        while not self.stopped:
            batch = _thalweg.Batch(iterator, 1024, self._flag)
            try:
                waiting = self._begin(self.emit_many, batch, True)
                if waiting is not None:
                    await waiting
            except Interrupted:
                raise
            except Exception as error:
                if batch.problem is error or is_refusal(error):
                    raise
                self._log(error)
            if batch.is_over:
                return True
            # Gives other tasks of the loop a turn.
            await asyncio.sleep(0)
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the source is stopped meanwhile."""
        if not self.stopped:
            await self._rest(seconds)

    async def _rest(self, seconds: float | None) -> None:
        """Wait until the source is woken, or for at most so many seconds; None waits for ever."""
        if self._run_state is not None:
            await self._run_state.pause(seconds)

    def _wake(self) -> None:
        if self._run_state is not None:
            self._run_state.wake(self._event_loop)


def _is_cancelled(task: Any) -> bool:
    """Whether a task has been cancelled from outside; assumed where Python does not tell, before 3.11."""
    return not hasattr(task, "cancelling") or task.cancelling() > 0
