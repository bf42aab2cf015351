"""The operator :class:`~thalweg.map_async`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable, check_size
from thalweg.stream.live import Live
from thalweg.stream.typevars import T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import Any, Concatenate

    from thalweg._types import Function, OnError, Placement


def _check_function(function: Any, operator: str, argument: str) -> Function:
    check_callable(function, operator, argument)
    return function  # type: ignore[no-any-return]


@Stream.register_api()
class map_async(Stream[U]):
    """Apply an async function to every element, several at a time, with results in order.

    The emitter continues as soon as its call has started, or waits until one may start: it does not get the call's
    error. With ``map(func, concurrency=n)`` it does.

    By default a failed call is logged, and its element dropped without being acknowledged: the callback of its
    :class:`~thalweg.RefCounter` is not called, and a source with at-least-once delivery delivers it again. With
    `on_error` as ``"skip"`` the element is dropped on purpose, silently, and acknowledged; with ``"raise"`` the next
    `emit` or `drain` raises the error, and the element is not acknowledged; a stream receives it as a
    :class:`~thalweg.Failure`, and it is acknowledged when that stream is done with it; a :class:`~thalweg.Retry`
    repeats the call first.

    Parameters
    ----------
    func: async callable
    *args:
        Positional arguments for `func`, after the element.
    parallelism: int
        Maximum number of calls queued behind the oldest one: as in streamz, `parallelism` + 1 calls run.
    stop_on_exception: bool
        Whether a failed call stops the pipeline: the upstream sources are stopped, and elements after the failed one
        are held back until :meth:`start`. If the pipeline is drained instead, they fail.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def multiply(x, factor=1):
    ...     return factor * x
    >>> async def main():
    ...     source = Stream(asynchronous=True)
    ...     L = source.map_async(multiply, factor=2).sink_to_list()
    ...     for x in range(3):
    ...         await source.emit(x)
    ...     await source.drain()
    ...     return L
    >>> asyncio.run(main())
    [0, 2, 4]
    """

    func: Any = Live(_check_function)
    args: Any = Live()
    kwargs: Any = Live()
    parallelism: Any = Live(check_size)

    def __init__(
        self,
        upstream: Stream[T],
        func: Callable[Concatenate[T, ...], Awaitable[U]],
        *args: Any,
        parallelism: int = 1,
        stop_on_exception: bool = False,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> None:
        self.parallelism = parallelism
        stream_name = kwargs.pop("stream_name", None)
        self.func, self.args, self.kwargs = func, args, kwargs
        self.stop_on_exception = stop_on_exception
        self._gate = _Gate()
        super().__init__(upstream, stream_name=stream_name, on_error="log" if on_error is None else on_error)  # type: ignore[arg-type]

    def start(self) -> None:
        """Start the upstream sources, and continue after a failure."""
        self._gate.open()
        super().start()

    def _build(self, placement: Placement) -> None:
        func = _stopping(self.func, self, self._gate) if self.stop_on_exception else self.func
        _thalweg.ops.map_async(placement, func, self.args, self.kwargs, self.parallelism + 1)

    def _end(self) -> None:
        """Called when the pipeline is drained."""
        self._gate.give_up()


class _Gate:
    """Emits results in order, until a call fails."""

    def __init__(self) -> None:
        self._is_open = True
        self._is_ending = False
        self._waiting: list[asyncio.Future[None]] = []
        #: Done when the newest call is finished.
        self.last: asyncio.Future[None] | None = None

    def close(self) -> None:
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)

    def give_up(self) -> None:
        self._is_ending = True
        self._wake()

    async def wait(self) -> None:
        import asyncio

        while not self._is_open and not self._is_ending:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        if not self._is_open:
            from thalweg.errors import ClosedError

            raise ClosedError("an element before this one has failed, and stopped the pipeline")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _stopping(func: Function, node: Stream, gate: _Gate) -> Function:
    """Have a failure of `func` stop the sources upstream of `node`, and hold back later elements."""
    import weakref

    reference = weakref.ref(node)

    async def call(*args: Any, **kwargs: Any) -> Any:
        import asyncio

        before, gate.last = gate.last, asyncio.get_running_loop().create_future()
        this = gate.last
        failed: Exception | None = None
        try:
            try:
                result = await func(*args, **kwargs)
            except Exception as error:
                failed = error
            if before is not None:
                await asyncio.wait([before])
            await gate.wait()
            if failed is None:
                return result
            gate.close()
            node = reference()
            if node is not None:
                node.stop()
            raise failed
        finally:
            _resolve(this)

    return call
