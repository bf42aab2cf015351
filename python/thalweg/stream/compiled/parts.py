"""The nodes of a pipeline, and whether they can be written in Python."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream.compiled.code import Code
from thalweg.stream.node import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["RAISE", "Part", "is_writable", "parts_of", "write"]

RAISE, _OTHER, _RETRY = range(3)

#: Maximum number of classes whose method is remembered.
_KEPT = 256


class Part:
    """A node of a pipeline, with its properties."""

    node: Stream
    number: int
    behind: list[int]
    ways: int
    policy: int
    is_single: bool
    #: Why it is left to the engine.
    reason: str
    #: Why what follows it is left to the engine.
    fork_reason: str

    def __init__(self, node: Stream, number: int, behind: list[int], ways: int, is_single: bool, policy: int) -> None:
        self.node, self.number, self.behind, self.ways, self.policy = node, number, behind, ways, policy
        self.is_single, self.fork_reason = is_single, ""
        if len(set(behind)) < len(behind):
            self.fork_reason = "a node is connected to it twice"
        self.reason = "it tries failed elements again" if policy == _RETRY else self.fork_reason
        #: Whether it has several upstreams, and an element of each is needed for one of its own.
        self.is_join = False
        self.is_checked = False


def parts_of(pipeline: _thalweg.Pipeline) -> list[Part]:
    """Return the nodes of a pipeline in topological order."""
    parts = [Part(*row) for row in pipeline._wiring()]
    by_number = {part.number: part for part in parts}
    for part in parts:
        # Failures go to nodes that only the engine knows.
        part.behind = [number for number in part.behind if number in by_number]
    if all(part.number < number for part in parts for number in part.behind):
        return parts
    return _in_order(parts, by_number)


def _in_order(parts: list[Part], by_number: dict[int, Part]) -> list[Part]:
    left = dict.fromkeys(by_number, 0)
    for part in parts:
        for number in part.behind:
            left[number] += 1
    free = [part for part in parts if not left[part.number]]
    for part in free:
        for number in part.behind:
            left[number] -= 1
            if not left[number]:
                free.append(by_number[number])
    if len(free) < len(parts):
        for part in parts:
            part.reason = part.fork_reason = "the pipeline has a cycle"
        return parts
    return free


def is_writable(part: Part) -> bool:
    """Return whether a node can be written in Python; if not, note why."""
    if not part.is_checked:
        part.is_checked = True
        part.reason = part.reason or _reason(part)
    return not part.reason


def _reason(part: Part) -> str:
    """Why it cannot be written; nothing if it can."""
    code = Code(0, "x0")
    written = write(part, code)
    part.is_join = code.kind == "joins"
    if written is not True:
        return str(written)
    if part.is_join and part.ways != len(part.node.upstreams):
        return "elements come to it by other ways, too"
    return "" if part.is_single or part.is_join else "the engine runs it as several nodes"


def write(part: Part, code: Code) -> Any:
    """Return True if the node has written its code; otherwise the reason why not."""
    cls = type(part.node)
    method = _method(cls)
    if method is None:
        return "its class does not say how it is written in Python"
    return method(part.node, code)


def _method(cls: type[Stream]) -> Callable[[Any, Code], Any] | None:
    """How nodes of a class write their code, unless a subclass has changed what they do."""
    try:
        return _methods[cls]
    except KeyError:
        pass
    definers = [base for base in cls.__mro__ if "_written" in base.__dict__]
    builders = [base for base in cls.__mro__ if "_build" in base.__dict__]
    is_own = cls.update is not Stream.update
    method = None
    if definers and not is_own and issubclass(definers[0], builders[0]):
        method = definers[0].__dict__["_written"]
    if len(_methods) < _KEPT:
        _methods[cls] = method
    return method


_methods: dict[type[Stream], Callable[[Any, Code], Any] | None] = {}
