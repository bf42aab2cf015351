"""The class :class:`Stream`: a node of a pipeline."""

from __future__ import annotations

import sys

from thalweg import _thalweg
from thalweg.stream.arguments import check_runs, check_streams, listed
from thalweg.stream.composed import Composed
from thalweg.stream.downstreams import Downstreams
from thalweg.stream.inspection import Inspected
from thalweg.stream.names import own_name
from thalweg.stream.registry import APIRegisterMixin
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any, ClassVar

    from typing_extensions import Self

    from thalweg._types import EventLoop, Interval, Metadata, OnError, Placement
    from thalweg.errors import Failure
    from thalweg.stream.compiled import Code
    from thalweg.stream.iteration import Iteration


class Stream(_thalweg.Node[T], APIRegisterMixin, Composed[T], Inspected):
    """An endless sequence of elements, and a node of a pipeline.

    Methods such as :meth:`map` attach a node downstream and return it. Elements are pushed in with :meth:`emit`, or
    come from a :class:`~thalweg.Source`, and travel depth first, to downstreams in the order they were attached.

    A node lives as long as it is referenced, or leads to a sink of a pipeline that is referenced.

    For type checkers, a stream of numbers is a ``Stream[int]``.

    Parameters
    ----------
    upstream, upstreams:
        The stream, or streams, to receive elements from.
    stream_name:
        Name for errors and drawings.
    loop:
        The event loop to run on: asyncio's, Tornado's, or a :class:`~thalweg.VirtualClock`.
    asynchronous:
        True: the pipeline runs on the running event loop, and `emit` is awaited. False: it runs on an event loop on a
        separate thread, and `emit` blocks. None, the default: there is no event loop until a node needs one; then as
        with False.
    ensure_io_loop:
        Start the event loop at once.
    on_error:
        How to handle elements that the node's function fails on: ``"raise"``, the default, raises the error in the
        emitter; ``"skip"`` drops them; a :class:`~thalweg.Retry` retries; a stream receives them as
        :class:`~thalweg.Failure`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.map(lambda x: x + 1).filter(lambda x: x % 2).sink_to_list()
    >>> for x in range(5):
    ...     source.emit(x)
    >>> L
    [1, 3, 5]
    """

    _graphviz_shape = "ellipse"
    _graphviz_style = "rounded,filled"
    _graphviz_fillcolor = "white"
    _graphviz_orientation = 0

    str_list: ClassVar[list[str]] = ["func", "predicate", "n", "interval"]

    _operators: ClassVar[dict[str, tuple[Any, Callable[[Any], Any]]]] = {}
    _adopters: ClassVar[list[Callable[[str, Any, Callable[[Any], Any]], None]]] = []

    #: By method name: converts another package's arguments to ours. Nodes inherit it from their upstreams.
    _dialect: dict[str, Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]] | None = None

    name: str | None = None

    # Shown in descriptions of nodes that have them.
    func: Any = None
    predicate: Any = None
    n: Any = None
    interval: Any = None

    def __init__(
        self,
        upstream: Stream | None = None,
        upstreams: Iterable[Any] | None = None,
        stream_name: str | None = None,
        loop: EventLoop | None = None,
        asynchronous: bool | None = None,
        ensure_io_loop: bool = False,
        on_error: OnError = None,
    ) -> None:
        if upstreams is None:
            upstreams = [] if upstream is None else [upstream]
        upstreams = self._checked(upstreams)
        for above in upstreams:
            if getattr(above, "_dialect", None) is not None:
                self._dialect = above._dialect
        self.name = stream_name
        self._build((self, upstreams, self._own_name(), on_error, _overrides_operator(type(self))))
        self._is_built = True
        if asynchronous is not None:
            self._set_asynchronous(asynchronous)
        if loop is not None:
            from thalweg.runtime import loops

            self._set_event_loop(loops.to_asyncio(loop))
        elif asynchronous is not None or ensure_io_loop:
            from thalweg.runtime import loops

            loops.attach(self)
        if getattr(type(self).update, "__tornado_coroutine__", False):
            # What it returns belongs to the loop of the thread that calls it.
            self._need_loop()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        update = cls.__dict__.get("update")
        if update is not None:
            check_runs(getattr(update, "__func__", update), cls.__name__, "update")
        code = getattr(update, "__code__", None)
        if code is not None and not code.co_flags & _TAKES_ANY and "metadata" not in _parameters(code):
            cls.update = _without_metadata(update)  # type: ignore[method-assign]

    #: Whether the upstreams may include other objects than streams, as constants.
    _takes_literals = False

    def _checked(self, upstreams: Iterable[Any]) -> list[Any]:
        """The given upstreams; raises an error if one is not a stream."""
        if isinstance(upstreams, Stream) or not hasattr(upstreams, "__iter__"):
            raise TypeError(f"{type(self).__name__}: `upstreams` is a list of streams, not one: {upstreams!r}")
        if self._takes_literals:
            return list(upstreams)
        found = [upstream for upstream in upstreams if upstream is not None]
        check_streams(found, type(self).__name__, "upstream")
        return found

    def _build(self, placement: Placement) -> None:
        """Build the node, or give a running one its settings: one call, of the function that makes the operator."""
        if type(self).update is not Stream.update:
            # A node that calls it.
            _thalweg.ops.custom(placement, is_sink=self._is_sink)
        else:
            _thalweg.ops.stream(placement, is_sink=self._is_sink)

    def _written(self, code: Code) -> bool | str:
        """Write the node's code for a compiled chain; or return why it cannot be compiled."""
        return code.sends(code.x)

    _is_sink = False

    #: Whether the node is in its pipeline.
    _is_built = False

    #: Whether its elements may still be on an engine.
    _may_need_engine: ClassVar[bool] = False

    #: Called when the pipeline has been drained.
    _drained: Callable[[], None] | None = None

    #: Called after that, on a thread that may block: not an event loop's, unless the loop is ending.
    _finish: Callable[[], None] | None = None

    def update(self, x: Any, who: Stream[Any] | None = None, metadata: Metadata = None) -> Any:
        """Receive an element from upstream; defined by subclasses.

        Parameters
        ----------
        x:
            The element.
        who:
            The upstream that sent it.
        metadata:
            A list of dicts attached to the element.

        Returns
        -------
        The result of :meth:`_emit`, so that the emitter waits for the nodes downstream; or an awaitable, or a list of
        them.

        Examples
        --------
        >>> from thalweg import Stream
        >>> class Doubled(Stream):
        ...     def update(self, x, who=None, metadata=None):
        ...         return self._emit(2 * x, metadata)
        >>> source = Stream()
        >>> L = Doubled(source).sink_to_list()
        >>> source.emit(1)
        >>> L
        [2]
        """
        return self._receive(x, metadata, who)

    # Wiring.

    @property
    def upstream(self) -> Stream | None:
        """The only upstream; None if there is none.

        Raises
        ------
        ValueError
            There are several.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.map(str).upstream is source
        True
        """
        upstreams = self.upstreams
        if len(upstreams) > 1:
            raise ValueError("Stream has multiple upstreams")
        return upstreams[0] if upstreams else None

    @property
    def downstreams(self) -> Downstreams:
        """The downstream nodes, in order: a live set.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.map(str)
        >>> source.downstreams
        [<map: str>]
        """
        return Downstreams(self)

    def connect(self, downstream: Stream) -> None:
        """Send this stream's elements to `downstream`. A join gets another inlet.

        Examples
        --------
        >>> from thalweg import Stream
        >>> a, b = Stream(), Stream()
        >>> L = b.sink_to_list()
        >>> a.connect(b)
        >>> a.emit(1)
        >>> L
        [1]
        """
        check_streams([downstream], "connect", "downstream")
        self._connect(downstream)
        downstream._add_upstream(self)

    def disconnect(self, downstream: Stream) -> None:
        """Undo :meth:`connect`. A join loses the inlet.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.map(str)
        >>> L = node.sink_to_list()
        >>> source.disconnect(node)
        >>> source.emit(1)
        >>> L
        []
        """
        check_streams([downstream], "disconnect", "downstream")
        self._disconnect(downstream)
        downstream._remove_upstream(self)

    def _add_upstream(self, upstream: Stream) -> None:
        """Called after `upstream` has been connected; for subclasses."""

    def _remove_upstream(self, upstream: Stream) -> None:
        """Called after `upstream` has been disconnected; for subclasses."""

    def _add_downstream(self, downstream: Stream) -> None:
        self._connect(downstream)

    def _remove_downstream(self, downstream: Stream) -> None:
        self._disconnect(downstream)

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect this stream from its upstreams, or from those given.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.map(str)
        >>> node.destroy()
        >>> node.upstreams
        []
        """
        upstreams = self.upstreams if streams is None else listed(streams, "destroy", "streams")
        for upstream in {id(upstream): upstream for upstream in upstreams}.values():
            upstream.disconnect(self)

    # The event loop.

    @property
    def loop(self) -> Any:
        """The pipeline's event loop, as Tornado's if Tornado is in use; None until it has one.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> Stream().loop is None
        True
        >>> clock = VirtualClock()
        >>> Stream(loop=clock).loop.asyncio_loop is clock.asyncio_loop
        True
        """
        event_loop = self._event_loop
        if event_loop is None:
            return None
        from thalweg.runtime import loops

        return loops.to_user(event_loop)

    def start(self) -> None:
        """Start the upstream sources.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> node = Stream.from_iterable([1, 2], loop=clock).map(str)
        >>> L = node.sink_to_list()
        >>> node.start()
        >>> clock.advance("1s")
        >>> L
        ['1', '2']
        """
        for upstream in self.upstreams:
            upstream.start()

    def stop(self) -> None:
        """Stop the upstream sources.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream.from_periodic(lambda: "tick", "1s", loop=clock, start=True)
        >>> node = source.map(str)
        >>> L = node.sink_to_list()
        >>> clock.advance("1.5s")
        >>> node.stop()
        >>> clock.advance("1h")
        >>> L
        ['tick', 'tick']
        """
        for upstream in self.upstreams:
            upstream.stop()

    # The end.

    def drain(self, timeout: Interval | None = None, asynchronous: bool = False) -> Any:
        """End the whole pipeline in good order.

        Stops its sources, waits for elements in flight, emits the contents of windows and partitions, and closes the
        sinks. Afterwards the pipeline accepts no elements.

        Parameters
        ----------
        timeout:
            Time limit: seconds, or text such as ``"5s"``; None for a minute.

        Raises
        ------
        UndeliveredError
            Not everything could be delivered within the limit.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.partition(2).sink_to_list()
        >>> source.emit_many([1, 2, 3])
        >>> source.drain()
        >>> L
        [(1, 2), (3,)]
        """
        if sys.is_finalizing():
            # In a finalizer: the end of the program has already drained everything.
            return None
        from thalweg.runtime import lifecycle

        return lifecycle.drain(self, timeout, asynchronous)

    def until_idle(self, timeout: Interval | None = None, asynchronous: bool = False) -> Any:
        """Wait until no element is in flight in the whole pipeline.

        That is when queues are empty, calls have returned, and delays have passed. The pipeline keeps running: sources
        run, and windows and joins keep their elements. While others emit, there may be no such moment. To be awaited
        where the pipeline is asynchronous.

        Parameters
        ----------
        timeout:
            Time limit: seconds, or text such as ``"5s"``; None for a minute.
        asynchronous:
            Whether to return an awaitable, also where the pipeline is not asynchronous.

        Raises
        ------
        UndeliveredError
            An element was still in flight at the limit, or an error occurred that no emitter received.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.buffer(10).partition(2).sink_to_list()
        >>> source.emit_many([1, 2, 3])
        >>> source.until_idle()
        >>> L
        [(1, 2)]
        """
        from thalweg.runtime import lifecycle

        return lifecycle.until_idle(self, timeout, asynchronous)

    def __enter__(self) -> Self:
        import asyncio

        loop = asyncio._get_running_loop()
        if loop is not None and self.asynchronous and self._event_loop in (None, loop):
            raise RuntimeError(
                f"{self} is asynchronous: use `async with`, since `with` can't wait for it on its own loop"
            )
        return self

    def __exit__(self, *raised: Any) -> None:
        error = raised[1] if raised else None
        try:
            self.drain()
        except BaseException as failure:
            # The engine raises without the context that Python's `raise` adds: the block's own error would be lost.
            if error is not None and failure is not error and failure.__context__ is None:
                BaseException.__setattr__(failure, "__context__", error)
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(asynchronous=True)

    def __aiter__(self) -> Iteration[T]:
        """Iterate over the elements as they come: ``async for x in stream``."""
        from thalweg.stream.iteration import iterate

        return iterate(self)

    # Failures.

    def on_exception(self) -> Stream[Failure]:
        """Return a stream of the elements that this node's function fails on, as :class:`~thalweg.Failure`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> numbers = source.map(int)
        >>> good = numbers.sink_to_list()
        >>> bad = numbers.on_exception().map(lambda failure: failure.element).sink_to_list()
        >>> source.emit_many(["1", "two", "3"])
        >>> good, bad
        ([1, 3], ['two'])
        """
        failures: Stream[Any] = Stream(stream_name=f"failures of {self._own_name()}")
        self._set_on_error(failures)
        return failures

    def __copy__(self) -> Self:
        """The stream itself: a copy would not be part of the pipeline."""
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def _own_name(self) -> str:
        return own_name(self, self.name)

    __del__: Callable[[Any], None] = _thalweg.Node._let_go

    def _retain_refs(self, metadata: Metadata, n: int = 1) -> None:
        """Retain the reference counters in `metadata` `n` times."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].retain(n)

    def _release_refs(self, metadata: Metadata, n: int = 1) -> None:
        """Release the reference counters in `metadata` `n` times."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].release(n)


def _unexpected(cls: type[Stream], name: str) -> TypeError:
    """The error for an argument that no class of nodes accepts."""
    import inspect

    from thalweg.errors.missing_names import unexpected

    known: dict[str, None] = {}
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if inspect.isfunction(init):
            known.update(dict.fromkeys(inspect.signature(init).parameters))
    return unexpected(cls.__name__, name, [each for each in known if each not in ("self", "args", "kwargs")])


def _with_hint(init: Any) -> Any:
    """Have `Stream.__init__` suggest the argument meant by an unknown one."""
    known = frozenset(init.__code__.co_varnames[: init.__code__.co_argcount])

    def __init__(self: Stream, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in known:
                raise _unexpected(type(self), name)
        init(self, *args, **kwargs)

    __init__.__doc__, __init__.__wrapped__ = init.__doc__, init  # type: ignore[attr-defined]
    return __init__


Stream.__init__ = _with_hint(Stream.__init__)  # type: ignore[method-assign]
_thalweg.Node._own_emit(Stream)


#: Flag of a code object: it accepts any keyword.
_TAKES_ANY = 0x08


def _parameters(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _without_metadata(update: Any) -> Any:
    """Adapt the `update` of a class written for rapidz, or for streamz before metadata."""
    from functools import wraps

    @wraps(update)
    def without(self: Stream, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        return update(self, x, who)

    return without


def _overrides_operator(cls: type[Stream]) -> bool:
    """Whether a class derives from an operator and has its own `update`."""
    return cls.update is not Stream.update and cls._build is not Stream._build
