"""Base of all sources: starts, stops, and says when it has ended."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sources.run import Run
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from thalweg._thalweg.sources import RustSource
    from thalweg._types import Metadata, OnError


#: How long a source emits while others on its event loop wait, in seconds.
_TURN = 0.01


class Interrupted(Exception):
    """A function has raised what is no failure of an element, ``SystemExit`` say: the cause of this."""


class Source(Stream[T]):
    """The start of a pipeline that elements come from by themselves, on its event loop.

    Subclasses define `_run`, one round, or `run`, all of it. A source that runs keeps its pipeline
    alive. What fails downstream is written to the log, and the source goes on. What it cannot make an element of is a
    failure of its own, under its `on_error`: ``"raise"`` writes it to the log. It ends, and says so in the log, if a
    function raises ``SystemExit`` or another exception that is no ``Exception``; :meth:`start` has it go on.

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
        """Have the source run; it goes on where it was stopped.

        One with ``asynchronous=True`` that is started where no event loop runs gets one on a thread of its own, as with
        streamz: nobody may ever run another.

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
            # As with streamz.
            self._begin_without_loop()
            self._need_loop()
            before, self._run_state = self._run_state, Run()
            self.loop.add_callback(self._supervise, self._run_state, before)

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
            self._wake()

    def _end(self) -> Run | None:
        """Have the source stop, and send what it keeps; return its run, to wait for."""
        self._is_ending = True
        self.stop()
        return self._run_state

    async def _supervise(self, state: Run, before: Run | None) -> None:
        """Run, once the run before has ended, and say what went wrong."""
        import asyncio

        state.begin()
        try:
            if before is not None and before.goes_on_here():
                await before.wait()
            if not self.stopped:
                result: Any = self.run()
                if hasattr(result, "__await__"):
                    await result
            if self._ended_by is not None:
                raise self._ended_by
        except asyncio.CancelledError:
            # The event loop has ended.
            pass
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
        """Run a source written in Rust, until it has no more or is stopped."""
        self._rust_source = source
        over = source.run(self)
        try:
            await over
        finally:
            source.stop()

    _rust_source: RustSource | None = None

    def _end_with(self, error: Exception) -> None:
        """Have the run end with an error that has come up beside it."""
        self._ended_by = error
        self.stop()

    _ended_by: Exception | None = None

    def _tell_end(self, error: BaseException) -> None:
        """Say what has ended the run."""
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
            # The loop is the user's, and so is the program it ends.
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
        names = [node.name for node in self._pipeline.nodes() if node.name and not node.upstreams]
        return ", ".join(names) or None

    def _set_on_error(self, on_error: Any) -> None:
        super()._set_on_error(on_error)
        self._on_error = on_error

    def _fail(self, error: Exception, element: Any = None) -> None:
        """Do what the policy says about an element that could not be made."""
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
        """Hand a failure to a stream; nobody waits for it."""
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
            await self._yield_if_due()

    async def _yield_if_due(self) -> None:
        """Let others on the loop have their turn, if that of the source has lasted long enough."""
        loop: Any = self._event_loop
        if loop.time() >= self._turn_ends:
            import asyncio

            await asyncio.sleep(0)
            self._turn_ends = loop.time() + _TURN

    _turn_ends = 0.0

    async def _run(self) -> None:
        """Do one round: what subclasses define."""
        raise NotImplementedError

    async def _send(self, x: Any, metadata: Metadata = None) -> None:
        """Emit an element, and wait until it has been taken. A failure is the element's, not the
        source's: it is logged, and the source goes on.
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
        """Call ``emit(*args)``, and have the source end if a function raises what is no failure."""
        try:
            return emit(*args)
        except Exception:
            raise
        except BaseException as error:
            raise Interrupted from error

    async def _send_all(self, iterator: Iterator[Any]) -> bool:
        """Emit the elements of an iterator until there are no more or the source is stopped; return
        whether there are no more.
        """
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
            # Others on the loop have their turn.
            await asyncio.sleep(0)
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the source is stopped meanwhile."""
        if not self.stopped:
            await self._rest(seconds)

    async def _rest(self, seconds: float | None) -> None:
        """Wait until somebody wakes the source, for so long at most; None is for ever."""
        if self._run_state is not None:
            await self._run_state.pause(seconds)

    def _wake(self) -> None:
        if self._run_state is not None:
            self._run_state.wake(self._event_loop)
