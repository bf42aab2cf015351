"""The class :class:`Stream`: a node of a pipeline."""

from __future__ import annotations

import os
import sys

from thalweg import _thalweg
from thalweg.functions import check_callable, check_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.metadata import EntryPoint
    from os import PathLike
    from typing import Any, ClassVar, TypeVar

    from typing_extensions import Self

    from thalweg._methods import Methods
    from thalweg._types import EventLoop, Function, Interval, Metadata, OnError
    from thalweg.batch import Batch
    from thalweg.iteration import Iteration
    from thalweg.parallel.stream import scatter

    T = TypeVar("T")
else:
    # The operators attach themselves.
    Methods = object

no_default = "--no-default--"


def _name_of(function: Any) -> str:
    """The name of a callable, in a ``partial`` also."""
    while not hasattr(function, "__name__"):
        inner = getattr(function, "func", None)
        if inner is None:
            raise TypeError(f"register_api: `attribute_name` says what to call {function!r}, which has no name")
        function = inner
    name: str = function.__name__
    return name


def identity(x: T) -> T:
    """Return `x`.

    Examples
    --------
    >>> from thalweg.core import identity
    >>> identity(1)
    1
    """
    return x


def _all_attributes(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in base.__dict__}


def attach_plugins() -> None:
    """Attach what other packages bring, if they bring anything.

    It is done when the package is imported: a metaclass, which could do it later, would keep classes that have one of
    their own, ``abc.ABC`` say, from deriving from `Stream` as well.
    """
    if _may_have_plugins():
        from thalweg.plugins import load_plugins

        load_plugins(Stream)


def _may_have_plugins() -> bool:
    """Whether any package that is installed names one of our groups: a look that takes a tenth of the
    time that importing the library for it does.
    """
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            # What is not a directory, an archive say, may have anything in it.
            if os.path.isfile(directory):
                return True
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(directory, name, "entry_points.txt"), "rb") as file:
                        text = file.read()
                except OSError:
                    continue
                if b"streamz." in text or b"thalweg." in text:
                    return True
    return False


class APIRegisterMixin:
    """Lets classes be attached to a class of streams as methods.

    Examples
    --------
    >>> from thalweg import APIRegisterMixin, Stream
    >>> issubclass(Stream, APIRegisterMixin)
    True
    """

    #: What has been registered with a class: names, callables, and how they were modified.
    _operators: ClassVar[dict[str, tuple[Any, Callable[[Any], Any]]]]

    #: Called with what is registered from now on.
    _adopters: ClassVar[list[Callable[[str, Any, Callable[[Any], Any]], None]]]

    @classmethod
    def register_api(
        cls, modifier: Callable[[Any], Any] = identity, attribute_name: str | None = None
    ) -> Callable[[T], T]:
        """Attach a callable, mostly a class, to this class as a method.

        Parameters
        ----------
        modifier:
            Applied before it is attached; ``staticmethod`` for sources.
        attribute_name:
            The method's name, if it is not that of the callable.

        Examples
        --------
        >>> from thalweg import Stream
        >>> @Stream.register_api()
        ... class twice(Stream):
        ...     def update(self, x, who=None, metadata=None):
        ...         return self._emit(x, metadata) + self._emit(x, metadata)
        >>> source = Stream()
        >>> L = source.twice().sink_to_list()
        >>> source.emit(1)
        >>> L
        [1, 1]
        """

        def register(func: Any) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return func(*args, **kwargs)

            # What functools.wraps does, which takes longer to import than all of this.
            for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
                if hasattr(func, attribute):
                    setattr(wrapped, attribute, getattr(func, attribute))
            wrapped.__wrapped__ = func  # type: ignore[attr-defined]
            name = attribute_name or _name_of(func)
            setattr(cls, name, modifier(wrapped))
            cls._registered(name, func, modifier)
            return func

        return register

    @classmethod
    def _registered(cls, name: str, func: Any, modifier: Callable[[Any], Any]) -> None:
        """Take note of a callable that has been attached, where that is done."""
        if "_operators" in cls.__dict__:
            cls._operators[name] = func, modifier
            for adopt in cls._adopters:
                adopt(name, func, modifier)

    @classmethod
    def register_plugin_entry_point(cls, entry_point: EntryPoint, modifier: Callable[[Any], Any] = identity) -> None:
        """Attach a class that an entry point names. It is loaded by the first call.

        Raises
        ------
        ValueError
            There is a method of that name.

        Examples
        --------
        >>> from importlib.metadata import EntryPoint
        >>> from thalweg import Stream
        >>> class Special(Stream):
        ...     pass
        >>> Special.register_plugin_entry_point(EntryPoint("mapped", "thalweg.core:map", "thalweg.nodes"))
        >>> source = Special()
        >>> L = source.mapped(str).sink_to_list()
        >>> source.emit(1)
        >>> L
        ['1']
        """
        if entry_point.name in _all_attributes(cls):
            raise ValueError(f"Can't add {entry_point.name} to {cls.__name__}: duplicate method name.")

        def stub(*args: Any, **kwargs: Any) -> Any:
            """Loads the plugin."""
            node = entry_point.load()
            if not (isinstance(node, type) and issubclass(node, Stream)):
                raise TypeError(f"Error loading {entry_point.name}: {node!r} must be a subclass of Stream")
            if getattr(cls, entry_point.name).__name__ == "stub":
                cls.register_api(modifier=modifier, attribute_name=entry_point.name)(node)
            if args and isinstance(args[0], Stream):
                # On an engine it is another class that has the method by now.
                return getattr(args[0], entry_point.name)(*args[1:], **kwargs)
            return node(*args, **kwargs)

        cls.register_api(modifier=modifier, attribute_name=entry_point.name)(stub)


class Stream(_thalweg.Node, APIRegisterMixin, Methods):
    """An endless sequence of elements, and a node of a pipeline.

    Methods such as :meth:`map` attach a node downstream and return it. Elements are pushed in with
    :meth:`emit`, or come from a :class:`~thalweg.Source` by themselves, and travel depth first, to
    downstreams in the order they were attached.

    A node lives as long as somebody holds it, or it leads to a sink of a pipeline that somebody holds.

    Parameters
    ----------
    upstream, upstreams:
        The stream, or the streams, whose elements this one gets.
    stream_name:
        A name, for errors and drawings.
    loop:
        The event loop to run on: asyncio's, Tornado's, or a :class:`~thalweg.VirtualClock`.
    asynchronous:
        True: the pipeline runs on the event loop that is running, and `emit` is awaited. False: it runs
        on an event loop on a thread of its own, and `emit` blocks. None, the default: there is no
        event loop until a node needs one, and then as with False.
    ensure_io_loop:
        Have an event loop from the start.
    on_error:
        What is done about elements that the node's function fails on: ``"raise"``, the default, has
        the emitter told; ``"skip"`` drops them; a :class:`~thalweg.Retry` tries again; a stream gets
        them as :class:`~thalweg.Failure`.

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

    name: str | None = None

    # What nodes are described by, if they have it.
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
        self.name = stream_name
        self._make(
            self._blueprint(),
            upstreams,
            stream_name or _describe(self),
            on_error,
            _overrides_operator(type(self)),
        )
        if asynchronous is not None:
            self._set_asynchronous(asynchronous)
        if loop is not None:
            from thalweg import loops

            self._set_event_loop(loops.to_asyncio(loop))
        elif asynchronous is not None or ensure_io_loop:
            from thalweg import loops

            loops.attach(self)

    #: Whether other objects than streams may be among the upstreams, to stand for themselves.
    _takes_literals = False

    def _checked(self, upstreams: Iterable[Any]) -> list[Any]:
        """The upstreams that there are; an error at once if one of them is none."""
        if isinstance(upstreams, Stream):
            raise TypeError(f"{type(self).__name__}: `upstreams` is a list of streams, not one: {upstreams!r}")
        if self._takes_literals:
            return list(upstreams)
        found = [upstream for upstream in upstreams if upstream is not None]
        check_streams(found, type(self).__name__, "upstream")
        return found

    def _blueprint(self) -> _thalweg.Blueprint:
        """What the engine is to build: for a subclass with an `update` of its own, a node that calls it."""
        if type(self).update is not Stream.update:
            return _thalweg.ops.custom(is_sink=self._is_sink)
        return _thalweg.ops.stream(is_sink=self._is_sink)

    _is_sink = False

    #: Called when the pipeline has been drained.
    _drained: Callable[[], None] | None = None

    def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        """Take an element from upstream: what subclasses define.

        Parameters
        ----------
        x:
            The element.
        who:
            The upstream it comes from.
        metadata:
            A list of dicts that goes with it.

        Returns
        -------
        What :meth:`_emit` returned, to have the emitter wait for those downstream; or anything to
        await, or a list of it.

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
        """The one upstream; None if there is none.

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
        """The nodes that get this one's elements, in order: a set to look at and to change.

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
        """Have `downstream` get this stream's elements. Joins get one inlet more.

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
        """Undo :meth:`connect`. Joins get one inlet less.

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
        """Called after `upstream` has been connected, for subclasses."""

    def _remove_upstream(self, upstream: Stream) -> None:
        """Called after `upstream` has been disconnected, for subclasses."""

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
        upstreams = self.upstreams if streams is None else streams
        for upstream in {id(upstream): upstream for upstream in upstreams}.values():
            upstream.disconnect(self)

    # The event loop.

    @property
    def loop(self) -> Any:
        """The pipeline's event loop: Tornado's if Tornado is in use, else one that is alike; None until it has one.

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
        from thalweg import loops

        return loops.to_user(event_loop)

    def start(self) -> None:
        """Have the sources above run.

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
        """Have the sources above stop.

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

        Stops its sources, waits for what is on its way, sends on what windows and partitions still
        hold, and closes the sinks. Afterwards nothing goes in any more.

        Parameters
        ----------
        timeout:
            The longest it may take: seconds, or text such as ``"5s"``; None for a minute.

        Raises
        ------
        UndeliveredError
            Not everything could be delivered in that time.

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
        from thalweg import lifecycle

        return lifecycle.drain(self, timeout, asynchronous)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drain()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(asynchronous=True)

    def __aiter__(self) -> Iteration:
        """Iterate over the elements as they come: ``async for x in stream``."""
        from thalweg.iteration import iterate

        return iterate(self)

    # Failures.

    def on_exception(self) -> Stream:
        """Return a stream of what this node's function fails on, as :class:`~thalweg.Failure`.

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
        failures = Stream(stream_name=f"failures of {self._own_name()}")
        self._set_on_error(failures)
        return failures

    # What is made of other operators.

    def gather(self) -> Stream:
        """Return this stream: on an engine, it brings elements back; here they are here.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.gather() is source
        True
        """
        return self

    def scatter(self, client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any) -> scatter:
        """Move elements to an engine: threads, processes or a cluster; see :class:`thalweg.parallel.scatter`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scatter(backend="thread").map(pow, 2).gather().sink_to_list()
        >>> source.emit(3)
        >>> source.drain()
        >>> L
        [9]
        """
        from thalweg.parallel import scatter

        return scatter(self, client, backend, unordered, **kwargs)

    def remove(self, predicate: Function) -> Stream:
        """Drop elements that `predicate` is true of.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.remove(lambda x: x < 0).sink_to_list()
        >>> source.emit_many([1, -1, 2])
        >>> L
        [1, 2]
        """
        check_callable(predicate, "remove", "predicate")
        return self.filter(lambda x: not predicate(x))

    @property
    def scan(self) -> Any:
        """Another name of :meth:`accumulate`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scan(max).sink_to_list()
        >>> source.emit_many([1, 3, 2])
        >>> L
        [1, 3, 3]
        """
        return self.accumulate

    @property
    def concat(self) -> Any:
        """Another name of :meth:`flatten`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.concat().sink_to_list()
        >>> source.emit([1, 2])
        >>> L
        [1, 2]
        """
        return self.flatten

    def sink_to_list(self) -> list[Any]:
        """Append every element to a list, which is returned.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.map(lambda x: 10 * x).sink_to_list()
        >>> source.emit_many(range(3))
        >>> L
        [0, 10, 20]
        """
        elements: list[Any] = []
        self.sink(elements.append)
        return elements

    def frequencies(self, **kwargs: Any) -> Stream:
        """Count how often each element has come: sends a dict for every element.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.frequencies().sink_to_list()
        >>> source.emit_many("aba")
        >>> L[-1]
        {'a': 2, 'b': 1}
        """

        def count(counts: dict[Any, int], x: Any) -> dict[Any, int]:
            return {**counts, x: counts.get(x, 0) + 1}

        return self.accumulate(count, start={}, **kwargs)

    def to_dataframe(self, example: Any) -> Any:
        """Make a streaming dataframe of a stream of dataframes that look like `example`.

        Examples
        --------
        >>> import pandas as pd
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.to_dataframe(example=pd.DataFrame({"x": [0]})).x.sum().stream.sink_to_list()
        >>> source.emit(pd.DataFrame({"x": [1, 2]}))
        >>> [int(total) for total in L]
        [3]
        """
        from thalweg.dataframe import DataFrame

        return DataFrame(stream=self, example=example)

    def to_batch(self, **kwargs: Any) -> Batch:
        """Make a :class:`~thalweg.batch.Batch` of a stream of lists or tuples.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.to_batch().sum().stream.sink_to_list()
        >>> source.emit([1, 2])
        >>> L
        [3]
        """
        from thalweg.batch import Batch

        return Batch(stream=self, **kwargs)

    # Looks.

    def visualize(self, filename: str | PathLike[str] | None = no_default, **kwargs: Any) -> Any:
        """Draw the pipeline, into a file or for the notebook; see :func:`thalweg.graph.visualize`.

        Examples
        --------
        >>> import os, tempfile
        >>> from thalweg import Stream
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     picture = Stream().map(str).visualize(os.path.join(directory, "pipeline.svg"))
        ...     os.listdir(directory)
        ['pipeline.svg']
        """
        from thalweg.graph import visualize

        return visualize(self, filename, **kwargs)

    def counters(self) -> dict[str, Any]:
        """Return how many elements this node has received, sent, failed on and holds, and for how
        many seconds elements have waited in it, as a dict.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.filter(None)
        >>> source.emit_many([0, 1, 2])
        >>> node.counters()["received"]
        3
        """
        names = ("received", "sent", "failed", "held", "waited")
        return dict(zip(names, self._counters(), strict=True))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            from thalweg.names import Missing

            raise Missing(name, f"{type(self).__name__!r} object", lambda: dir(self))

    def __copy__(self) -> Self:
        """The stream itself: a node has its place in a pipeline, and what goes in at a copy has to come out there."""
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def _own_name(self) -> str:
        return self.name or _describe(self)

    __del__ = _thalweg.Node._let_go

    def __str__(self) -> str:
        parts = [f"{self.name}; {type(self).__name__}" if self.name else type(self).__name__]
        for attribute in self.str_list:
            value = getattr(self, attribute, None)
            text = getattr(value, "__name__", "") if callable(value) else str(value or "")
            if text:
                parts.append(f"{attribute}={text}")
        if len(parts) == 2:
            parts[1] = parts[1].split("=")[-1]
        head, *tail = parts
        return f"<{head}: {', '.join(tail)}>" if tail else f"<{head}>"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from thalweg.notebook import repr_html

        return repr_html(self)

    def _ipython_display_(self, **kwargs: Any) -> Any:
        from thalweg.notebook import display_stream

        return display_stream(self, **kwargs)

    def _retain_refs(self, metadata: Metadata, n: int = 1) -> None:
        """Count `n` more on the reference counters in `metadata`."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].retain(n)

    def _release_refs(self, metadata: Metadata, n: int = 1) -> None:
        """Count `n` less on the reference counters in `metadata`."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].release(n)


def _unexpected(cls: type[Stream], name: str) -> TypeError:
    """The error for an argument that no class of a node's takes."""
    import inspect

    from thalweg.names import unexpected

    known: dict[str, None] = {}
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if inspect.isfunction(init):
            known.update(dict.fromkeys(inspect.signature(init).parameters))
    return unexpected(cls.__name__, name, [each for each in known if each not in ("self", "args", "kwargs")])


def _with_hint(init: Any) -> Any:
    """Have `Stream.__init__` say which argument is meant by one that it does not take."""
    known = frozenset(init.__code__.co_varnames[: init.__code__.co_argcount])

    def __init__(self: Stream, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in known:
                raise _unexpected(type(self), name)
        init(self, *args, **kwargs)

    __init__.__doc__, __init__.__wrapped__ = init.__doc__, init  # type: ignore[attr-defined]
    return __init__


Stream.__init__ = _with_hint(Stream.__init__)  # type: ignore[method-assign]


def _overrides_operator(cls: type[Stream]) -> bool:
    """Whether a class derives from an operator and has an `update` of its own."""
    return cls.update is not Stream.update and cls._blueprint is not Stream._blueprint


def _describe(node: Stream) -> str:
    """A node's name for errors, if it was given none: its kind and its function."""
    for attribute in ("func", "predicate"):
        function = getattr(node, attribute, None)
        name = getattr(function, "__name__", None)
        if name is not None:
            return f"{type(node).__name__}({name})"
    return type(node).__name__


class Downstreams:
    """The downstreams of a node, in order: as they are when they are looked at.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str)
    >>> len(source.downstreams), node in source.downstreams
    (1, True)
    """

    def __init__(self, node: Stream) -> None:
        self._node = node

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._node._downstreams())

    def __len__(self) -> int:
        return len(self._node._downstreams())

    def __bool__(self) -> bool:
        return len(self) > 0

    def __contains__(self, node: object) -> bool:
        return any(other is node for other in self)

    def __repr__(self) -> str:
        return repr(list(self))

    def add(self, node: Stream) -> None:
        """Connect a node, unless it is connected.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source, other = Stream(), Stream()
        >>> source.downstreams.add(other)
        >>> other.upstreams == [source]
        True
        """
        check_streams([node], "downstreams.add", "node")
        if node not in self:
            self._node._connect(node)

    def remove(self, node: Stream) -> None:
        """Disconnect a node.

        Raises
        ------
        KeyError
            It is not connected.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.map(str)
        >>> source.downstreams.remove(node)
        >>> source.downstreams
        []
        """
        if node not in self:
            raise KeyError(node)
        self._node._disconnect(node)

    def discard(self, node: Stream) -> None:
        """Disconnect a node, if it is connected.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.downstreams.discard(Stream())
        """
        if node in self:
            self._node._disconnect(node)
