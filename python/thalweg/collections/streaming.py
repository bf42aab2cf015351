"""Streaming collections: streams of batches with the methods of a batch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

from thalweg.stream import APIRegisterMixin, Stream, no_default

__all__ = [
    "OperatorMixin",
    "Streaming",
    "apply_args",
    "get_stream_type",
    "map_partitions",
    "partial_by_order",
]

#: By kind of collection: the class for elements of a type, of a tuple of types, or for which a function is true; the
#: first match is used.
_stream_types: dict[str, list[tuple[Any, type[Streaming]]]] = {"streaming": [], "updating": []}


def map_partitions(
    func: Callable[..., Any], *args: Any, example: Any = None, stream_type: str | None = None, **kwargs: Any
) -> Streaming:
    """Call a function with every batch of a collection, or of several collections side by side.

    The kind of the resulting collection is determined by calling `func` once with the examples.

    Parameters
    ----------
    func
        The function. Collections among `args` are replaced by their batches; other arguments are passed as they are.
    *args
        Collections and other arguments, in the order of `func`'s parameters; at least one collection.
    example
        An example of a result. By default `func` is called with the examples.
    stream_type
        ``"streaming"``, where every batch is new data, or ``"updating"``, where each replaces the one before. By
        default the result is updating if all collections among `args` are.
    **kwargs
        Keyword arguments for `func`.

    Raises
    ------
    TypeError
        There is no collection among `args`.

    Examples
    --------
    >>> from thalweg import Batch
    >>> from thalweg.collections.streaming import map_partitions
    >>> words = Batch()
    >>> joined = map_partitions("".join, words).stream.sink_to_list()
    >>> words.emit(["thal", "weg"])
    >>> joined
    ['thalweg']
    """
    collections = [arg for arg in args if isinstance(arg, Streaming)]
    if not collections:
        raise TypeError(f"map_partitions needs a streaming collection among the arguments of {_name(func)}")
    if example is None:
        example = func(*[getattr(arg, "example", arg) for arg in args], **kwargs)
    if stream_type is None:
        updating = all(collection._stream_type == "updating" for collection in collections)
        stream_type = "updating" if updating else "streaming"

    first = collections[0].stream
    if len(collections) > 1:
        streams = [arg.stream if isinstance(arg, Streaming) else arg for arg in args]
        stream = type(first).zip(*streams).map(apply_args, func, kwargs)
    elif isinstance(args[0], Streaming):
        stream = first.map(func, *args[1:], **kwargs)
    else:
        others = [(i, arg) for i, arg in enumerate(args) if not isinstance(arg, Streaming)]
        stream = first.map(partial_by_order, function=func, other=others, **kwargs)
    return _collection(stream, example, stream_type)


def _collection(stream: Any, example: Any, stream_type: str) -> Streaming:
    found = get_stream_type(example, stream_type)
    if found is not None:
        return found(stream, example)
    return Streaming(stream, example, stream_type=stream_type)


def get_stream_type(example: Any, stream_type: str = "streaming") -> type[Streaming] | None:
    """Return the class of collection for such elements, or None if there is no special one.

    Parameters
    ----------
    example
        An element.
    stream_type
        ``"streaming"`` or ``"updating"``.

    Examples
    --------
    >>> from thalweg import Batch
    >>> from thalweg.collections.streaming import get_stream_type
    >>> get_stream_type([1, 2]) is Batch
    True
    >>> get_stream_type(1) is None
    True
    """
    for wanted, found in _stream_types[stream_type]:
        fits = wanted(example) if isinstance(wanted, FunctionType) else isinstance(example, wanted)
        if fits:
            return found
    return None


def partial_by_order(*args: Any, function: Callable[..., Any], other: list[tuple[int, Any]], **kwargs: Any) -> Any:
    """Call a function with `args` and further arguments at the positions given with them.

    Examples
    --------
    >>> from operator import sub
    >>> from thalweg.collections.streaming import partial_by_order
    >>> partial_by_order(5, function=sub, other=[(0, 12)])
    7
    """
    arguments = list(args)
    for position, argument in other:
        arguments.insert(position, argument)
    return function(*arguments, **kwargs)


def apply_args(args: tuple[Any, ...], func: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """Call a function with the arguments in a tuple.

    Examples
    --------
    >>> from thalweg.collections.streaming import apply_args
    >>> apply_args((7, 2), divmod, {})
    (3, 1)
    """
    return func(*args, **kwargs)


def _unary(operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return self.map_partitions(operation, self)

    return method


def _binary(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return self.map_partitions(operation, self, other)

    return method


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return self.map_partitions(operation, other, self)

    return method


class OperatorMixin:
    """Python's operators, applied to every batch by the class's `map_partitions`.

    Examples
    --------
    >>> from thalweg.collections.streaming import Streaming
    >>> numbers = Streaming(example=1)
    >>> results = (-numbers % 10).stream.sink_to_list()
    >>> numbers.emit(3)
    >>> results
    [7]
    """

    __abs__: Any = _unary(operator.abs)
    __inv__: Any = _unary(operator.inv)
    __invert__: Any = _unary(operator.invert)
    __neg__: Any = _unary(operator.neg)

    __eq__: Any = _binary(operator.eq)
    __ne__: Any = _binary(operator.ne)
    __lt__: Any = _binary(operator.lt)
    __le__: Any = _binary(operator.le)
    __gt__: Any = _binary(operator.gt)
    __ge__: Any = _binary(operator.ge)

    __add__: Any = _binary(operator.add)
    __radd__: Any = _reflected(operator.add)
    __and__: Any = _binary(operator.and_)
    __rand__: Any = _reflected(operator.and_)
    __floordiv__: Any = _binary(operator.floordiv)
    __rfloordiv__: Any = _reflected(operator.floordiv)
    __lshift__: Any = _binary(operator.lshift)
    __rlshift__: Any = _reflected(operator.lshift)
    __mod__: Any = _binary(operator.mod)
    __rmod__: Any = _reflected(operator.mod)
    __mul__: Any = _binary(operator.mul)
    __rmul__: Any = _reflected(operator.mul)
    __or__: Any = _binary(operator.or_)
    __ror__: Any = _reflected(operator.or_)
    __pow__: Any = _binary(operator.pow)
    __rpow__: Any = _reflected(operator.pow)
    __rshift__: Any = _binary(operator.rshift)
    __rrshift__: Any = _reflected(operator.rshift)
    __sub__: Any = _binary(operator.sub)
    __rsub__: Any = _reflected(operator.sub)
    __truediv__: Any = _binary(operator.truediv)
    __rtruediv__: Any = _reflected(operator.truediv)
    __xor__: Any = _binary(operator.xor)
    __rxor__: Any = _reflected(operator.xor)

    # `==` returns a collection, so it cannot serve for hashing.
    __hash__: Any = object.__hash__


class Streaming(OperatorMixin, APIRegisterMixin):
    """A stream of batches, with an example of a batch.

    Use its subclasses, such as `thalweg.Batch`; results whose elements fit no subclass are of this class.

    Parameters
    ----------
    stream
        The stream of batches; by default a new ``Stream``.
    example
        An example of an element of the stream, with which operations are tried when they are defined.
    stream_type
        ``"streaming"`` or ``"updating"``; by default that of the class.

    Raises
    ------
    TypeError
        The example is missing.
    ValueError
        The `stream_type` is neither.

    Examples
    --------
    >>> from thalweg.collections.streaming import Streaming
    >>> counts = Streaming(example=1)
    >>> results = (counts * 2 + 1).stream.sink_to_list()
    >>> counts.emit(20)
    >>> results
    [41]
    """

    _subtype: Any = object
    _stream_type = "streaming"

    map_partitions: ClassVar[Callable[..., Streaming]] = staticmethod(map_partitions)

    def __init__(self, stream: Any = None, example: Any = None, stream_type: str | None = None) -> None:
        if example is None:
            raise TypeError(f"{type(self).__name__} needs an example of its elements")
        if stream_type is not None and stream_type not in _stream_types:
            raise ValueError(f"stream_type is 'streaming' or 'updating', and not {stream_type!r}")
        self.example: Any = example if isinstance(example, self._subtype) else self._subtype(example)
        self.stream: Stream = Stream() if stream is None else stream
        if stream_type is not None:
            self._stream_type = stream_type

    def accumulate_partitions(
        self,
        func: Callable[..., Any],
        *args: Any,
        start: Any = no_default,
        returns_state: bool = False,
        example: Any = None,
        stream_type: str | None = None,
        **kwargs: Any,
    ) -> Streaming:
        """Call a function with a state and every batch; it returns the next state.

        Parameters
        ----------
        func
            The function, called as ``func(state, batch, *args, **kwargs)``.
        start
            The initial state. By default the first batch, which is emitted as it is.
        returns_state
            Whether `func` returns a pair of the next state and the result to emit.
        example
            An example of a result. By default `func` is called with the example.
        stream_type
            ``"streaming"`` or ``"updating"``; by default that of this collection.

        Examples
        --------
        >>> from thalweg import Batch
        >>> batches = Batch()
        >>> longest = batches.accumulate_partitions(lambda n, batch: max(n, len(batch)), start=0)
        >>> results = longest.stream.sink_to_list()
        >>> for batch in ([1], [1, 2, 3], []):
        ...     batches.emit(batch)
        >>> results
        [1, 3, 3]
        """
        if example is None:
            state = self.example if start is no_default else start
            example = func(state, self.example, *args, **kwargs)
            if returns_state:
                _, example = example
        if args:
            kwargs.update(function=func, other=list(enumerate(args, 2)))
            func = partial_by_order
        stream = self.stream.accumulate(func, start=start, returns_state=returns_state, **kwargs)
        return _collection(stream, example, self._stream_type if stream_type is None else stream_type)

    def emit(self, x: Any) -> Any:
        """Emit a batch into the stream, after `verify`, and return the result of the stream's `emit`.

        Examples
        --------
        >>> from thalweg.collections.streaming import Streaming
        >>> numbers = Streaming(example=1)
        >>> results = numbers.stream.sink_to_list()
        >>> numbers.emit(3)
        >>> results
        [3]
        """
        self.verify(x)
        return self.stream.emit(x)

    def verify(self, x: Any) -> None:
        """Check a batch.

        Raises
        ------
        TypeError
            The batch does not fit the example.

        Examples
        --------
        >>> from thalweg import Batch
        >>> Batch(example=[0]).verify([1, 2])
        """
        if not isinstance(x, self._subtype):
            from thalweg.errors.reprs import short

            raise TypeError(f"expected {_name(self._subtype)}, and not {type(x).__name__}: {short(x)}")

    def start(self) -> None:
        """Start the upstream sources.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> batches = Stream.from_periodic(lambda: [1, 2], "1min", loop=clock).to_batch()
        >>> results = batches.sum().stream.sink_to_list()
        >>> batches.start()
        >>> clock.advance("1s")
        >>> results
        [3]
        """
        self.stream.start()

    def stop(self) -> None:
        """Stop the upstream sources.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> batches = Stream.from_periodic(lambda: [1, 2], "1min", loop=clock).to_batch()
        >>> results = batches.sum().stream.sink_to_list()
        >>> batches.start()
        >>> clock.advance("1s")
        >>> results
        [3]
        >>> batches.stop()
        >>> clock.advance("1h")
        >>> len(results)
        1
        """
        self.stream.stop()

    @property
    def current_value(self) -> Any:
        """The last batch.

        Examples
        --------
        >>> from thalweg.collections.streaming import Streaming
        >>> numbers = Streaming(example=1)
        >>> numbers.emit(3)
        >>> numbers.current_value
        3
        """
        return self.stream.current_value

    def __repr__(self) -> str:
        return f"{type(self).__name__} - elements like:\n{self._shortened()!r}"

    def _repr_html_(self) -> str:
        from html import escape

        example = self._shortened()
        draw = getattr(example, "_repr_html_", None)
        body = draw() if draw is not None else f"<pre>{escape(repr(example))}</pre>"
        return f"<h5>{type(self).__name__} - elements like</h5>\n{body}"

    def _shortened(self) -> Any:
        head = getattr(self.example, "head", None)
        return head(2) if callable(head) else self.example

    def _ipython_display_(self, **kwargs: Any) -> Any:
        try:
            import ipywidgets  # noqa: F401
        except ImportError:
            from IPython.display import HTML, display

            return display(HTML(self._repr_html_()))
        # Batches that arrive faster than this cannot be read anyway.
        return self.stream.latest().rate_limit(0.5).gather()._ipython_display_(**kwargs)


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", None) or repr(thing)
