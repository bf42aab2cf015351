"""Helpers of rapidz for building pipelines."""

from __future__ import annotations

import weakref

from thalweg.stream import Stream
from thalweg.stream.arguments import check_streams, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    S = TypeVar("S", bound=Stream)
    C = TypeVar("C", bound=type)


@Stream.register_api()
def move_to_first(node: S, f: bool | Stream | Sequence[Stream] = True) -> S:
    """Have a node receive elements before all other downstreams of its upstreams.

    Parameters
    ----------
    node: Stream
    f: bool, Stream or list of Stream
        True for all upstreams; or one of them, or a list of them.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = []
    >>> first = source.sink(lambda x: L.append("first"))
    >>> second = source.sink(lambda x: L.append("second"))
    >>> node = second.move_to_first()
    >>> source.emit(1)
    >>> L
    ['second', 'first']
    """
    check_streams([node], "move_to_first", "node")
    if f is True:
        node._move_to_first(None)
    elif f:
        for upstream in listed(f, "move_to_first", "f"):
            node._move_to_first(upstream)
    return node


def destroy_pipeline(source_node: Stream) -> None:
    """Disconnect a node and everything downstream of it from its upstreams.

    Examples
    --------
    >>> from thalweg import Stream, destroy_pipeline
    >>> source = Stream()
    >>> L = source.map(str).sink_to_list()
    >>> destroy_pipeline(source)
    >>> source.emit(1)
    >>> L
    []
    """
    check_streams([source_node], "destroy_pipeline", "source_node")
    seen: dict[int, Stream] = {}
    waiting = [source_node]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        waiting.extend(node.downstreams)
    for node in seen.values():
        node.destroy()


def link(*funcs: Callable[..., dict[str, Any] | None], **kwargs: Any) -> dict[str, Any]:
    """Compose a pipeline of functions: each is called with the names defined so far as keyword arguments, and returns a
    dict of more, or None; all names are returned. If a function returns its ``locals()``, those in `kwargs` count as
    names as well.

    Examples
    --------
    >>> from thalweg import Stream, link
    >>> def double(source, **_):
    ...     return {"doubled": source.map(lambda x: 2 * x)}
    >>> def collect(doubled, **_):
    ...     return {"L": doubled.sink_to_list()}
    >>> names = link(double, collect, source=Stream())
    >>> names["source"].emit(1)
    >>> names["L"]
    [2]
    """
    for func in funcs:
        if not callable(func):
            raise TypeError(f"link: functions, and not {func!r}")
    namespace = dict(kwargs)
    for func in funcs:
        found = dict(func(**namespace) or {})
        rest = found.pop("kwargs", None)
        namespace.update(rest if isinstance(rest, dict) else {} if rest is None else {"kwargs": rest})
        namespace.update(found)
    return namespace


def args_kwargs(cls: C) -> C:
    """Have the objects of a class remember their constructor arguments, without keeping streams alive.

    Examples
    --------
    >>> from thalweg import Stream, args_kwargs
    >>> @args_kwargs
    ... class Named(Stream):
    ...     pass
    >>> Named(stream_name="a")._init_kwargs
    {'stream_name': 'a'}
    """
    from functools import wraps

    init = cls.__init__  # type: ignore[misc]

    @wraps(init)
    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        self._init_args = tuple(_weak(arg) for arg in args)
        self._init_kwargs = {name: _weak(arg) for name, arg in kwargs.items()}
        init(self, *args, **kwargs)

    cls.__init__ = remembering  # type: ignore[misc]
    return cls


def _weak(arg: Any) -> Any:
    return weakref.ref(arg) if isinstance(arg, Stream) else arg
