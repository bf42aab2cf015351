"""Elements of an asynchronous iterator."""

from __future__ import annotations

import asyncio

from thalweg.runtime.loops import ensure_future
from thalweg.sources.run import Run
from thalweg.sources.source import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from thalweg.sources.source import Source

#: Elements emitted in a row before other tasks of the loop get a turn.
_BATCH = 256


class AsyncElements:
    """Emits the elements of an asynchronous iterator.

    The iterator is advanced and closed by one task, which its own timeouts and task groups require. If the source is
    stopped while the iterator is waiting, the task keeps waiting, and the next run continues with it: cancelling it
    would end a generator.
    """

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator
        self._task: asyncio.Future[None] | None = None
        #: Set while a source runs and takes elements.
        self._may_send = asyncio.Event()
        #: The current run's; a stopped source is not kept alive.
        self._source: Source[Any] | None = None
        self._is_sending = False
        self._is_parked = False
        self._is_closing = False
        self._interruption: Interrupted | None = None

    @property
    def is_left_waiting(self) -> bool:
        """Whether the iterator has started, is not finished, and no source runs."""
        return self._task is not None and not self._task.done() and self._source is None

    async def send_all(self, source: Source[Any]) -> None:
        """Emit elements until the iterator ends or the source is stopped. At the end of the pipeline the iterator is
        closed.

        Raises
        ------
        RuntimeError
            The iterator is waiting on another event loop.
        """
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = ensure_future(self._pull())
        elif not self._task.done() and self._task.get_loop() is not loop:
            raise RuntimeError(f"{source}: its iterator has begun on another event loop, and is waiting there")
        if source._run_state is None:
            source._run_state = Run()
        task = self._task
        self._source = source
        self._may_send.set()
        task.add_done_callback(self._wake)
        try:
            while not (task.done() or self._interruption or (self._is_to_stop(source) and not self._is_sending)):
                await source._rest(None)
            if source._is_ending and not task.done():
                await self._close(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            task.remove_done_callback(self._wake)
            self._may_send.clear()
            self._source = None
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            raise interruption
        if task.done():
            task.result()

    @staticmethod
    def _is_to_stop(source: Source[Any]) -> bool:
        return source.stopped or source._is_ending

    async def _close(self, task: asyncio.Future[None]) -> None:
        """Emit the element that has arrived since the source was stopped, if any, and close the iterator."""
        self._is_closing = True
        if self._is_parked:
            self._may_send.set()
        else:
            task.cancel()
        await asyncio.wait({task})

    def _wake(self, _: object = None) -> None:
        if self._source is not None:
            self._source._wake()

    async def _pull(self) -> None:
        sent = 0
        aclose = getattr(self._iterator, "aclose", None)
        try:
            while await self._is_wanted():
                try:
                    x = await self._iterator.__anext__()
                except StopAsyncIteration:
                    break
                await self._is_wanted()
                await self._send(x)
                sent += 1
                if sent % _BATCH == 0:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
        except GeneratorExit:
            # The task is dropped with its loop: nothing can be awaited any more.
            aclose = None
            raise
        except (KeyboardInterrupt, SystemExit) as error:
            raise Interrupted from error
        finally:
            if aclose is not None:
                await aclose()

    async def _is_wanted(self) -> bool:
        """Wait until the source runs and takes elements; return whether to continue."""
        self._is_parked = True
        while not self._is_closing and (self._source is None or self._source.stopped or self._interruption):
            self._may_send.clear()
            self._wake()
            await self._may_send.wait()
        self._is_parked = False
        return not self._is_closing

    async def _send(self, x: Any) -> None:
        source = self._source
        if source is None:
            return
        self._is_sending = True
        try:
            await source._send(x)
        except Interrupted as interruption:
            # Another run continues after this element.
            self._interruption = interruption
        finally:
            self._is_sending = False
