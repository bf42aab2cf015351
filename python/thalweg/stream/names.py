"""The names of nodes and pipelines, as text for people."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg.stream.node import Stream


def describe(node: Stream[Any]) -> str:
    """Default name of a node: its kind and its function."""
    for attribute in ("func", "predicate"):
        function = getattr(node, attribute, None)
        name = getattr(function, "__name__", None)
        if name is not None:
            return f"{type(node).__name__}({name})"
    return type(node).__name__


def readable(name: Any) -> str:
    r"""A given name as text that can be encoded: it may be of any type, or come from a file's name.

    Examples
    --------
    >>> from thalweg.stream.names import readable
    >>> readable(7), readable("caf\udce9.txt")
    ('7', 'caf\\udce9.txt')
    """
    return str(name).encode("utf-8", "backslashreplace").decode()


def own_name(node: Stream[Any], given: Any) -> str:
    """The name that a node was given, or its default one."""
    return readable(given or describe(node))


def pipeline_name(nodes: Iterable[Stream[Any]]) -> str:
    """The names that a pipeline's beginnings were given, as the dashboard shows them; empty if there are none."""
    return ", ".join(readable(node.name) for node in nodes if node.name and not node.upstreams)
