"""Streams, by the names that rapidz's module ``core`` has for them, and with its defaults."""

# ruff: noqa: F403
from __future__ import annotations

from thalweg import ops
from thalweg import stream as ours
from thalweg.compat.rapidz.dialect import DIALECT
from thalweg.compat.streamz.core import get_io_loop, sync
from thalweg.ops import *
from thalweg.runtime.intervals import convert_interval
from thalweg.sinks import sink, starsink
from thalweg.stream import identity, no_default
from thalweg.stream.wiring import args_kwargs, destroy_pipeline, link, move_to_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    *ops.__all__,
    "Stream",
    "apply",
    "args_kwargs",
    "convert_interval",
    "destroy_pipeline",
    "get_io_loop",
    "identity",
    "link",
    "move_to_first",
    "no_default",
    "sink",
    "starsink",
    "sync",
]


class _AllStreams(type):
    """Makes every stream an instance of :class:`Stream`: methods return nodes of classes that all packages share."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, ours.Stream) if cls is Stream else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, ours.Stream) if cls is Stream else type.__subclasscheck__(cls, subclass)


class Stream(ours.Stream, metaclass=_AllStreams):
    """A stream whose methods, and those of all streams behind it, have rapidz's defaults.

    Examples
    --------
    >>> from thalweg.compat.rapidz import Stream
    >>> source = Stream()
    >>> L = source.map(abs).sliding_window(2).sink_to_list()
    >>> source.emit_many([1, -2, 3])
    >>> L
    [(1, 2), (2, 3)]
    """

    _dialect = DIALECT

    @classmethod
    def register_api(
        cls, modifier: Callable[[Any], Any] = identity, attribute_name: str | None = None
    ) -> Callable[[Any], Any]:
        """Attach a callable as a method: to all streams, if this is the class of all.

        Examples
        --------
        >>> from thalweg.compat.rapidz import Stream
        >>> @Stream.register_api()
        ... class tripled(Stream):
        ...     def update(self, x, who=None):
        ...         return self._emit(3 * x)
        >>> source = Stream()
        >>> L = source.map(abs).tripled().sink_to_list()
        >>> source.emit(-1)
        >>> L
        [3]
        """
        if cls is Stream:
            return ours.Stream.register_api(modifier, attribute_name)
        return super().register_api(modifier, attribute_name)


class sliding_window(ops.sliding_window):  # type: ignore[no-redef]
    """Produce overlapping tuples of `n` elements.

    Examples
    --------
    >>> from thalweg.compat.rapidz import Stream
    >>> from thalweg.compat.rapidz.core import sliding_window
    >>> source = Stream()
    >>> L = sliding_window(source, 2).sink_to_list()
    >>> source.emit_many([1, 2, 3])
    >>> L
    [(1, 2), (2, 3)]
    """

    _dialect = DIALECT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        args, kwargs = DIALECT["sliding_window"](*args, **kwargs)
        super().__init__(*args, **kwargs)


class unique(ops.unique):  # type: ignore[no-redef]
    """Avoid sending through repeated elements, among the last `history` ones.

    Examples
    --------
    >>> from thalweg.compat.rapidz import Stream
    >>> from thalweg.compat.rapidz.core import unique
    >>> source = Stream()
    >>> L = unique(source, history=1).sink_to_list()
    >>> source.emit_many([{"a": 1}, {"a": 1}, {"a": 2}])
    >>> L
    [{'a': 1}, {'a': 2}]
    """

    _dialect = DIALECT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        args, kwargs = DIALECT["unique"](*args, **kwargs)
        super().__init__(*args, **kwargs)


def apply(
    func: Callable[..., Any], args: Any, args2: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """Call a function with arguments from several places.

    Examples
    --------
    >>> from thalweg.compat.rapidz.core import apply
    >>> apply(int, "12", (8,)), apply(max, (1, 2))
    (10, 2)
    """
    given = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    return func(*given, *(args2 or ()), **(kwargs or {}))


def _truthy(x: Any) -> bool:
    return bool(x)
