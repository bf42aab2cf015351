"""Random programs that run on both streamz and thalweg, and a function that runs one.

A program is data: nodes with their upstreams, followed by actions on the sources. Its functions accept any element,
so operators can be combined freely; each function records its calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

#: More than any program puts into a `zip`: a full one would block the emitter, and there is no loop to wait on.
ROOMY = 100_000


@dataclass(frozen=True)
class Node:
    """An operator, its upstreams by number, and its arguments except functions."""

    operator: str
    upstreams: tuple[int, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """An element for a source, or a flush of a `collect`."""

    node: int
    element: Any = None
    flush: bool = False


@dataclass(frozen=True)
class Program:
    nodes: tuple[Node, ...]
    actions: tuple[Action, ...]


def digest(x: Any) -> int:
    """Hash any element to a small number."""
    if isinstance(x, int):
        return x
    if isinstance(x, dict):
        return sum(3 * digest(key) + count for key, count in x.items())
    return sum((i + 1) * digest(item) for i, item in enumerate(x)) % 97


# Known type of a node's elements: non-empty tuples, tuples, hashable, or anything.
FULL, TUPLE, HASHABLE, ANY = "full tuples", "tuples", "hashable", "anything"
KINDS = (FULL, TUPLE, HASHABLE, ANY)


def _unary(name: str, needs: str, gives: str | None, **options: st.SearchStrategy[Any]) -> tuple[Any, ...]:
    return name, needs, gives, st.fixed_dictionaries(options)


_small = st.integers(0, 4)
_steps = st.none() | st.just(2)
_keeps = st.sampled_from(["first", "last"])
_keys = st.sampled_from([None, 2, 3])

#: Operators with one upstream: required type, resulting type (None: unchanged), and options.
UNARY = [
    _unary("map", ANY, HASHABLE, shape=st.sampled_from(["number", "pair"])),
    _unary("map", ANY, FULL, shape=st.just("pair of numbers")),
    _unary("starmap", TUPLE, HASHABLE),
    _unary("filter", ANY, None, modulus=st.integers(1, 3)),
    _unary("remove", ANY, None, modulus=st.integers(2, 3)),
    _unary("accumulate", ANY, HASHABLE, start=st.just(True), how=st.sampled_from(["plain", "returns_state"])),
    # Without a start, the first element is sent unchanged.
    _unary("accumulate", HASHABLE, HASHABLE, start=st.just(False), how=st.sampled_from(["plain", "returns_state"])),
    _unary("accumulate", ANY, FULL, start=st.just(True), how=st.just("with_state")),
    _unary(
        "slice", ANY, None, start=st.none() | _small, length=st.none() | st.integers(1, 9), step=st.none() | st.just(2)
    ),
    _unary("partition", HASHABLE, FULL, n=st.integers(1, 4), key=_keys),
    _unary("partition_unique", HASHABLE, FULL, n=st.integers(1, 3), key=_keys, keep=_keeps),
    _unary("sliding_window", HASHABLE, FULL, n=st.integers(1, 4), return_partial=st.booleans()),
    _unary("flatten", TUPLE, HASHABLE),
    _unary("pluck", FULL, HASHABLE, pick=st.sampled_from([0, -1])),
    _unary("pluck", FULL, FULL, pick=st.sampled_from([[0], [0, -1]])),
    _unary("unique", HASHABLE, None, maxsize=st.none() | st.integers(1, 3), key=_keys, hashable=st.booleans()),
    _unary("collect", HASHABLE, TUPLE),
    _unary("frequencies", HASHABLE, ANY),
    _unary("sink", ANY, ANY),
]

JOINS = ["union", "zip", "zip", "combine_latest", "combine_latest", "zip_latest"]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Generate a program of up to three sources and about ten operators."""
    sources = draw(st.integers(1, 3))
    nodes = [Node("source") for _ in range(sources)]
    kinds = [HASHABLE] * sources
    for _ in range(draw(st.integers(1, 10))):
        usable = [i for i, node in enumerate(nodes) if node.operator != "sink"]
        hashable = [i for i in usable if kinds[i] != ANY]
        if len(hashable) > 1 and draw(st.integers(0, 3)) == 0:
            node, kind = draw(_join(hashable, kinds))
        else:
            upstream = draw(st.sampled_from(usable))
            fitting = [op for op in UNARY if KINDS.index(kinds[upstream]) <= KINDS.index(op[1])]
            name, _, gives, options = draw(st.sampled_from(fitting))
            node, kind = Node(name, (upstream,), draw(options)), gives or kinds[upstream]
        nodes.append(node)
        kinds.append(kind)
    read = {upstream for node in nodes for upstream in node.upstreams}
    for i, node in enumerate(list(nodes)):
        if i not in read and node.operator != "sink":
            nodes.append(Node("sink", (i,)))
    collects = [i for i, node in enumerate(nodes) if node.operator == "collect"]
    element = st.builds(Action, st.integers(0, sources - 1), st.integers(-3, 9))
    action = element | st.builds(Action, st.sampled_from(collects), flush=st.just(True)) if collects else element
    return Program(tuple(nodes), tuple(draw(st.lists(action, max_size=20))))


@st.composite
def _join(draw: st.DrawFn, usable: list[int], kinds: list[str]) -> tuple[Node, str]:
    name = draw(st.sampled_from(JOINS))
    upstreams = tuple(draw(st.lists(st.sampled_from(usable), min_size=2, max_size=3, unique=True)))
    if name == "union":
        return Node(name, upstreams), max((kinds[i] for i in upstreams), key=KINDS.index)
    options: dict[str, Any] = {}
    if name == "zip":
        options = draw(
            st.fixed_dictionaries({"literal": st.none() | st.tuples(st.integers(0, len(upstreams)), _small)})
        )
    if name == "combine_latest":
        places = st.integers(0, len(upstreams) - 1)
        options = draw(
            st.fixed_dictionaries(
                {"emit_on": st.none() | places | st.lists(places, min_size=1, unique=True), "streams": st.booleans()}
            )
        )
    return Node(name, upstreams, options), FULL


def run(program: Program, streamz: ModuleType) -> list[tuple[Any, ...]]:
    """Run a program, and return all events in order."""
    log: list[tuple[Any, ...]] = []
    built: list[Any] = []
    for number, node in enumerate(program.nodes):
        built.append(_build(node, number, [built[i] for i in node.upstreams], streamz, log))
    for action in program.actions:
        if action.flush:
            log.append(("flush", action.node))
            built[action.node].flush()
        else:
            log.append(("emit", action.node, action.element))
            enter = built[action.node]
            if streamz.__name__ == "streamz":
                # `emit` of streamz fails on joins after a `partition`, which gives the graph an unneeded loop.
                _raise_of(enter._emit(action.element))
            else:
                enter.emit(action.element)
    return log


def _raise_of(results: Any) -> None:
    """Raise the exception of an unawaited coroutine of the peer, at any depth."""
    if isinstance(results, list):
        for result in results:
            _raise_of(result)
    elif hasattr(results, "exception") and results.done() and results.exception() is not None:
        raise TypeError("what streamz can't await") from results.exception()


def _build(node: Node, number: int, upstreams: list[Any], streamz: ModuleType, log: list[tuple[Any, ...]]) -> Any:
    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            log.append((number, *args))
            return function(*args)

        return call

    if node.operator == "source":
        return streamz.Stream()
    first, *others = upstreams
    options = dict(node.options)
    match node.operator:
        case "map":
            shapes = {
                "number": digest,
                "pair": lambda x: digest(x) % 5 if digest(x) % 3 else (digest(x), 1),
                "pair of numbers": lambda x: (digest(x), digest(x) % 2),
            }
            return first.map(noted(shapes[options["shape"]]))
        case "starmap":
            return first.starmap(noted(lambda *args: digest(args)))
        case "filter" | "remove":
            modulus = options["modulus"]
            return getattr(first, node.operator)(noted(lambda x: digest(x) % modulus == 0))
        case "accumulate":
            return _accumulate(first, noted, **options)
        case "partition" | "partition_unique" | "unique":
            modulus = options.pop("key")
            if modulus is not None:
                options["key"] = noted(lambda x: digest(x) % modulus)
            return getattr(first, node.operator)(**options)
        case "slice":
            # An end before the start is an error in one library and an empty range in the other.
            length = options.pop("length")
            end = None if length is None else (options["start"] or 0) + length
            return first.slice(end=end, **options)
        case "sink":
            return first.sink(noted(lambda x: None))
        case "zip":
            arguments = upstreams
            if options["literal"] is not None:
                place, literal = options["literal"]
                arguments = [*upstreams[:place], literal, *upstreams[place:]]
            return streamz.zip(*arguments, maxsize=ROOMY)
        case "combine_latest":
            emit_on = options["emit_on"]
            if options["streams"] and emit_on is not None:
                emit_on = [upstreams[i] for i in emit_on] if isinstance(emit_on, list) else upstreams[emit_on]
            return first.combine_latest(*others, emit_on=emit_on)
        case _:
            return getattr(first, node.operator)(*others, **options)


def _accumulate(upstream: Any, noted: Callable[..., Any], start: bool, how: str) -> Any:
    options: dict[str, Any] = {"start": 1} if start else {}
    if how != "plain":
        options[how] = True
    if how == "returns_state":
        return upstream.accumulate(noted(lambda state, x: ((digest(state) + digest(x)) % 50, digest(x))), **options)
    return upstream.accumulate(noted(lambda state, x: (digest(state) + digest(x)) % 50), **options)
