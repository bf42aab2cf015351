"""The end of a branch, and sinks that call a function."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_runs, is_async_def, is_awaited
from thalweg.stream.live import LiveFunction
from thalweg.stream.typevars import T

__all__ = ["Sink", "_global_sinks", "sink", "starsink"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Concatenate, overload

    from thalweg._types import EventLoop, Function, OnError, Placement
    from thalweg.stream.compiled import Code


class Sink(Stream[T]):
    """The end of a branch: it lives as long as its pipeline.

    Subclasses define `update`.

    Examples
    --------
    >>> from thalweg import Sink, Stream
    >>> class Shown(Sink):
    ...     def update(self, x, who=None, metadata=None):
    ...         print(x)
    >>> source = Stream()
    >>> Shown(source)
    <Shown>
    >>> source.emit(1)
    1
    """

    _graphviz_shape = "trapezium"
    _is_sink = True

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect the sink from its upstreams, and release it.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.sink(print).destroy()
        >>> source.emit(1)
        """
        super().destroy(streams)
        self._release()


@Stream.register_api()
class sink(Sink[T]):
    """Call a function with every element.

    An awaitable result is awaited: the emitter waits until it is done. Calls of an ``async def`` follow one another;
    with `concurrency` several run at a time, and each emitter waits for its own call, and gets its error.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    on_error:
        See :class:`~thalweg.Stream`.
    concurrency: int
        Maximum number of concurrent calls of an ``async def``.
    **kwargs:
        Keyword arguments for `func`; and those of :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = []
    >>> source.sink(L.append)
    <sink: append>
    >>> source.emit(123)
    >>> L
    [123]

    See Also
    --------
    map, sink_to_list
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    func: Any = LiveFunction()

    _splayed = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            upstream: Stream[T],
            func: Callable[[T], object],
            *,
            on_error: OnError = None,
            concurrency: int | None = None,
            stream_name: str | None = None,
            loop: EventLoop | None = None,
            asynchronous: bool | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self,
            upstream: Stream[T],
            func: Callable[Concatenate[T, ...], object],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(
        self,
        upstream: Stream[T],
        func: Function,
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_runs(func, type(self).__name__, "func")
        self._concurrency = (
            None if concurrency is None else check_count(concurrency, type(self).__name__, "concurrency")
        )
        ours = {name: kwargs.pop(name) for name in _STREAM_ARGUMENTS if name in kwargs}
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, on_error=on_error, **ours)
        if is_awaited(func):
            # What Tornado's coroutines return belongs to the loop of the thread that calls them.
            self._need_loop()

    def _build(self, placement: Placement) -> None:
        _thalweg.ops.sink(
            placement,
            self.func,
            self.args,
            self.kwargs,
            splayed=self._splayed,
            in_turn=is_async_def(self.func),
            concurrency=self._concurrency,
        )

    def _written(self, code: Code) -> bool | str:
        if self._concurrency is not None or is_async_def(self.func):
            return "its results are awaited"
        x = f"*{code.x}" if self._splayed else code.x
        return code.ends(code.call(self.func, x, args=self.args, kwargs=self.kwargs))


_STREAM_ARGUMENTS = ("upstreams", "stream_name", "loop", "asynchronous", "ensure_io_loop")


@Stream.register_api()
class starsink(sink[T]):
    """Call a function with every element, unpacked: ``func(*x, *args)``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = []
    >>> source.starsink(lambda a, b: L.append(a + b))
    <starsink: <lambda>>
    >>> source.emit((1, 2))
    >>> L
    [3]
    """

    _splayed = True

    if TYPE_CHECKING:

        def __init__(
            self,
            upstream: Stream[Any],
            func: Callable[..., object],
            *args: Any,
            on_error: OnError = None,
            concurrency: int | None = None,
            **kwargs: Any,
        ) -> None: ...


class Sinks:
    """All sinks, under the name that streamz has for them. Pipelines keep their sinks; this looks them up.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.sinks import _global_sinks
    >>> source = Stream()
    >>> sink = source.sink(print)
    >>> sink in _global_sinks, sink in list(_global_sinks)
    (True, True)
    >>> _global_sinks.remove(sink)
    """

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Sink) and bool(node.upstreams)

    def __iter__(self) -> Iterator[Sink]:
        import gc

        return iter([node for node in gc.get_objects() if type(node) is not type and node in self])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, node: Sink) -> None:
        """Keep a sink, which happens anyway."""

    def remove(self, node: Sink) -> None:
        """Release a sink: it is dropped unless referenced elsewhere."""
        if node not in self:
            raise KeyError(node)
        node._release()

    def discard(self, node: Sink) -> None:
        """Release a sink, if it is one."""
        if node in self:
            node._release()

    def clear(self) -> None:
        """Release all sinks."""
        for node in self:
            node._release()


_global_sinks = Sinks()
