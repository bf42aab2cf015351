"""The class :class:`Stream`: a node of a pipeline."""

from __future__ import annotations

import functools

from thalweg import _thalweg
from thalweg.functions import check_callable

no_default = "--no-default--"


def identity(x):
    """Return `x`."""
    return x


class _Registry(type(_thalweg.Node)):
    """Looks for plugins when a class of streams lacks an attribute."""

    def __getattr__(cls, name):
        if not name.startswith("_") and _load_plugins() and name in _all_attributes(cls):
            return getattr(cls, name)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def _all_attributes(cls):
    return {name for base in cls.__mro__ for name in base.__dict__}


_plugins_are_loaded = False


def _load_plugins() -> bool:
    """Load plugins, once; return whether this call did."""
    global _plugins_are_loaded
    if _plugins_are_loaded:
        return False
    _plugins_are_loaded = True
    from thalweg.plugins import load_plugins

    load_plugins(Stream)
    return True


class APIRegisterMixin:
    """Lets classes be attached to a class of streams as methods."""

    @classmethod
    def register_api(cls, modifier=identity, attribute_name=None):
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

        def register(func):
            @functools.wraps(func)
            def wrapped(*args, **kwargs):
                return func(*args, **kwargs)

            setattr(cls, attribute_name or func.__name__, modifier(wrapped))
            return func

        return register

    @classmethod
    def register_plugin_entry_point(cls, entry_point, modifier=identity):
        """Attach a class that an entry point names. It is loaded by the first call.

        Raises
        ------
        ValueError
            There is a method of that name.
        """
        if entry_point.name in _all_attributes(cls):
            raise ValueError(
                f"Can't add {entry_point.name} to {cls.__name__}: duplicate method name."
            )

        def stub(*args, **kwargs):
            """Loads the plugin."""
            node = entry_point.load()
            if not (isinstance(node, type) and issubclass(node, Stream)):
                raise TypeError(
                    f"Error loading {entry_point.name}: {node!r} must be a subclass of Stream"
                )
            if getattr(cls, entry_point.name).__name__ == "stub":
                cls.register_api(modifier=modifier, attribute_name=entry_point.name)(node)
            return node(*args, **kwargs)

        cls.register_api(modifier=modifier, attribute_name=entry_point.name)(stub)


class Stream(_thalweg.Node, APIRegisterMixin, metaclass=_Registry):
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

    str_list = ["func", "predicate", "n", "interval"]

    name: str | None = None

    # What nodes are described by, if they have it.
    func = predicate = n = interval = None

    def __init__(
        self,
        upstream=None,
        upstreams=None,
        stream_name=None,
        loop=None,
        asynchronous=None,
        ensure_io_loop=False,
        on_error=None,
    ):
        if upstreams is None:
            upstreams = [] if upstream is None else [upstream]
        self.name = stream_name
        self._make(
            self._blueprint(),
            list(upstreams),
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

    def _blueprint(self):
        """What the engine is to build: for a subclass with an `update` of its own, a node that calls it."""
        if type(self).update is not Stream.update:
            return _thalweg.ops.custom(is_sink=self._is_sink)
        return _thalweg.ops.stream(is_sink=self._is_sink)

    _is_sink = False

    def update(self, x, who=None, metadata=None):
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
        """
        return self._receive(x, metadata, who)

    # Wiring.

    @property
    def upstream(self):
        """The one upstream; None if there is none.

        Raises
        ------
        ValueError
            There are several.
        """
        upstreams = self.upstreams
        if len(upstreams) > 1:
            raise ValueError("Stream has multiple upstreams")
        return upstreams[0] if upstreams else None

    @property
    def downstreams(self):
        """The nodes that get this one's elements, in order: a set to look at and to change."""
        return Downstreams(self)

    def connect(self, downstream):
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
        self._connect(downstream)
        downstream._add_upstream(self)

    def disconnect(self, downstream):
        """Undo :meth:`connect`. Joins get one inlet less."""
        self._disconnect(downstream)
        downstream._remove_upstream(self)

    def _add_upstream(self, upstream):
        """Called after `upstream` has been connected, for subclasses."""

    def _remove_upstream(self, upstream):
        """Called after `upstream` has been disconnected, for subclasses."""

    def _add_downstream(self, downstream):
        self._connect(downstream)

    def _remove_downstream(self, downstream):
        self._disconnect(downstream)

    def destroy(self, streams=None):
        """Disconnect this stream from its upstreams, or from those given."""
        for upstream in list(self.upstreams if streams is None else streams):
            upstream.disconnect(self)

    # The event loop.

    @property
    def loop(self):
        """The pipeline's event loop: Tornado's if Tornado is in use, else one that is alike."""
        event_loop = self._event_loop
        if event_loop is None:
            return None
        from thalweg import loops

        return loops.to_user(event_loop)

    def start(self):
        """Have the sources above run."""
        for upstream in self.upstreams:
            upstream.start()

    def stop(self):
        """Have the sources above stop."""
        for upstream in self.upstreams:
            upstream.stop()

    # The end.

    def drain(self, timeout=None, asynchronous=False):
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drain()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.drain(asynchronous=True)

    def __aiter__(self):
        """Iterate over the elements as they come: ``async for x in stream``."""
        from thalweg.iteration import Iteration

        return Iteration(self)

    # Failures.

    def on_exception(self):
        """Return a stream of what this node's function fails on, as :class:`~thalweg.Failure`.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> numbers = source.map(int)
        >>> good = numbers.sink_to_list()
        >>> bad = numbers.on_exception().pluck_attribute("element").sink_to_list()
        >>> source.emit_many(["1", "two", "3"])
        >>> good, bad
        ([1, 3], ['two'])
        """
        failures = Stream(stream_name=f"failures of {self.name or _describe(self)}")
        self._set_on_error(failures)
        return failures

    # What is made of other operators.

    def gather(self):
        """Return this stream: on an engine, it brings elements back; here they are here."""
        return self

    def scatter(self, **kwargs):
        """Move elements to a Dask cluster; see :func:`thalweg.dask.scatter`."""
        from thalweg.dask import scatter

        return scatter(self, **kwargs)

    def remove(self, predicate):
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
    def scan(self):
        """Another name of :meth:`accumulate`."""
        return self.accumulate

    @property
    def concat(self):
        """Another name of :meth:`flatten`."""
        return self.flatten

    def sink_to_list(self):
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
        elements = []
        self.sink(elements.append)
        return elements

    def frequencies(self, **kwargs):
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

        def count(counts, x):
            return {**counts, x: counts.get(x, 0) + 1}

        return self.accumulate(count, start={}, **kwargs)

    def to_dataframe(self, example):
        """Make a streaming dataframe of a stream of dataframes that look like `example`."""
        from thalweg.dataframe import DataFrame

        return DataFrame(stream=self, example=example)

    def to_batch(self, **kwargs):
        """Make a :class:`~thalweg.batch.Batch` of a stream of lists or tuples."""
        from thalweg.batch import Batch

        return Batch(stream=self, **kwargs)

    # Looks.

    def visualize(self, filename="mystream.png", **kwargs):
        """Draw the pipeline into a file; see :func:`thalweg.graph.visualize`."""
        from thalweg.graph import visualize

        return visualize(self, filename, **kwargs)

    def counters(self):
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
        return dict(zip(names, self._counters()))

    __del__ = _thalweg.Node._let_go

    def __str__(self):
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

    __repr__ = __str__

    def _repr_html_(self):
        from thalweg.notebook import repr_html

        return repr_html(self)

    def _ipython_display_(self, **kwargs):
        from thalweg.notebook import display_stream

        return display_stream(self, **kwargs)

    def _retain_refs(self, metadata, n=1):
        """Count `n` more on the reference counters in `metadata`."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].retain(n)

    def _release_refs(self, metadata, n=1):
        """Count `n` less on the reference counters in `metadata`."""
        for entry in metadata or ():
            if entry and "ref" in entry:
                entry["ref"].release(n)

    def __getattr__(self, name):
        # Only what is not found by other means comes here.
        if not name.startswith("_") and _load_plugins() and name in _all_attributes(type(self)):
            return getattr(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _overrides_operator(cls) -> bool:
    """Whether a class derives from an operator and has an `update` of its own."""
    return cls.update is not Stream.update and cls._blueprint is not Stream._blueprint


def _describe(node) -> str:
    """A node's name for errors, if it was given none: its kind and its function."""
    for attribute in ("func", "predicate"):
        function = getattr(node, attribute, None)
        name = getattr(function, "__name__", None)
        if name is not None:
            return f"{type(node).__name__}({name})"
    return type(node).__name__


class Downstreams:
    """The downstreams of a node, in order: as they are when they are looked at."""

    def __init__(self, node):
        self._node = node

    def __iter__(self):
        return iter(self._node._downstreams())

    def __len__(self):
        return len(self._node._downstreams())

    def __bool__(self):
        return len(self) > 0

    def __contains__(self, node):
        return any(other is node for other in self)

    def __repr__(self):
        return repr(list(self))

    def add(self, node):
        """Connect a node, unless it is connected."""
        if node not in self:
            self._node._connect(node)

    def remove(self, node):
        """Disconnect a node.

        Raises
        ------
        KeyError
            It is not connected.
        """
        if node not in self:
            raise KeyError(node)
        self._node._disconnect(node)

    def discard(self, node):
        """Disconnect a node, if it is connected."""
        if node in self:
            self._node._disconnect(node)
