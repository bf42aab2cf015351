"""Chains of nodes, found in a pipeline."""

from __future__ import annotations

from typing import NamedTuple

from thalweg import _thalweg
from thalweg.stream.compiled.code import Code
from thalweg.stream.compiled.functions import function_of
from thalweg.stream.compiled.parts import RAISE, Part, is_writable, write
from thalweg.stream.compiled.writer import write_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from thalweg.stream.node import Stream

__all__ = ["Chain", "Held", "Join", "chains_of"]

#: Maximum nodes per chain: a function of a thousand calls takes long to compile.
LONGEST = 200

#: Maximum nesting of statements: the interpreter has a limit.
DEEPEST = 8


class Held(NamedTuple):
    """A variable that holds an element until a join's last one arrives."""

    variable: str
    #: Variable of the list that is not empty if the engine's node may have elements.
    waiting: str
    #: Index of the node whose element it is.
    place: int
    #: Index of the exit to the engine's node.
    exit: int


class Join:
    """A node of a chain to which several ways of the chain lead.

    The last of them calls it; elements of the others are held in variables until then. If an element of one of them is
    missing, the engine's node gets the others, and all, until it has none left.
    """

    def __init__(self, place: int, code: Code) -> None:
        self.place = place
        #: Not empty if the engine's node may have elements.
        self.waiting = [True]
        #: Noted here by the engine if elements come to it at different times.
        self.unevenness = code.unevenness
        self.variable = code.name("w", self.waiting)
        self.held: list[Held] = []
        #: Index of the exit to the engine's node, for the last element.
        self.exit = -1
        #: The value sent, and the variables in it.
        self.value = ""


class Chain:
    """A chain, in the form that the engine takes."""

    def __init__(self) -> None:
        #: Set by the engine when elements have arrived at active nodes.
        self.left: list[bool] = []
        self.nodes: list[Stream] = []
        self.parents: list[int] = []
        self.kinds: list[str] = []
        self.downstream: list[list[int]] = []
        self.may_skip: list[bool] = []
        #: Ways out: the index of a node, and the id of its downstream.
        self.exits: list[tuple[int, int]] = []
        #: The same for joins of the chain.
        self.join_exits: list[tuple[int, int]] = []
        self.joins: list[Join] = []
        self.is_last = False
        #: For each line of the source: its node's index, whether it runs after the node, and how many nodes have run
        #: by then.
        self.lines: list[tuple[int, bool, int]] = []
        self.source = ""
        self.parts: list[Part] = []
        self.codes: list[Code] = []
        #: The variables for elements of joins.
        self.held: list[Held] = []
        #: The downstreams of each node: a node of the chain, an exit, or a variable of a join, and its index.
        self.children: list[list[tuple[str, int]]] = []

    def add(self, part: Part, way: _Way, code: Code, kind: str) -> None:
        """Add a node."""
        self.nodes.append(part.node)
        self.parents.append(way.parent)
        self.kinds.append(kind)
        self.downstream.append(part.behind)
        self.may_skip.append(way.is_last and way.is_plain)
        self.parts.append(part)
        self.codes.append(code)

    @property
    def generator(self) -> Generator[Any, Any, None]:
        """The compiled function, called."""
        objects = {name: value for code in self.codes for name, value in code.objects.items()}
        return function_of(self.source)(*_thalweg.signals, self.left, **objects)  # type: ignore[no-any-return]


def chains_of(parts: list[Part]) -> list[Chain]:
    """Return the chains of a pipeline's nodes."""
    by_number = {part.number: part for part in parts}
    taken: set[int] = set()
    chains = []
    for part in parts:
        if part.number in taken:
            continue
        # Nodes with upstreams are part of their upstreams' chains where possible.
        is_head = bool(part.ways) and is_writable(part) and not part.is_join
        is_fork = not is_head and 1 < len(part.behind) < LONGEST and not part.fork_reason
        chain = _Growth(part, by_number, taken, is_fork=is_fork).grow() if is_head or is_fork else None
        if chain is not None:
            chains.append(chain)
    return chains


class _Way(NamedTuple):
    """A node being added to a chain."""

    part: Part
    parent: int
    #: Its nesting depth.
    depth: int
    #: Whether nothing follows in the innermost loop, and in the function.
    is_end: bool
    is_last: bool
    #: Whether it is outside of any loop over an element's elements.
    is_plain: bool


class _Growth:
    """A chain that grows from a node, or from the ways behind it."""

    def __init__(self, head: Part, by_number: dict[int, Part], taken: set[int], *, is_fork: bool = False) -> None:
        self.head, self.by_number, self.taken, self.is_fork = head, by_number, taken, is_fork
        #: Nodes to which not all ways lead from here.
        self.open: set[int] = set()
        self.has_joins = False

    def takes(self, part: Part) -> bool:
        """Return whether a node can be in the chain."""
        if part.number in self.taken or not is_writable(part):
            return False
        return part.number not in self.open if part.is_join else part.ways == 1

    def grow(self) -> Chain | None:
        """Return the chain; none if those of each way would be as good."""
        while True:
            chain, places, ways = self._try()
            still_open = {number for number, found in ways.items() if len(found) < self.by_number[number].ways}
            if still_open:
                self.open |= still_open
            elif ways and not self.has_joins:
                self.has_joins = True
            else:
                break
        if self.is_fork and not ways:
            within = sum(parent == 0 for parent in chain.parents)
            # Each way out costs as much as a chain of its own.
            if len(chain.exits) >= within:
                return None
        self._connect(chain, places, ways)
        write_function(chain)
        self.taken.update(places)
        if self.is_fork:
            self.taken.discard(self.head.number)
        return chain

    def _try(self) -> tuple[Chain, dict[int, int], dict[int, list[int]]]:
        """Add the node and its downstreams, depth first; return also their indices, and those upstream of joins."""
        chain = Chain()
        places: dict[int, int] = {}
        ways: dict[int, list[int]] = {}
        # A list instead of recursion, since chains may be longer than the stack is deep. Something follows every way if
        # it may lead to a join: its elements that are held.
        waiting = [_Way(self.head, -1, 0, is_end=not self.has_joins, is_last=True, is_plain=True)]
        while waiting:
            way = waiting.pop()
            part = way.part
            if part.is_join and part is not self.head:
                found = ways.setdefault(part.number, [])
                found.append(way.parent)
                if len(found) < part.ways:
                    continue
            code = self._add(chain, way)
            place = places[part.number] = len(chain.nodes) - 1
            is_each = code.kind == "each"
            is_nested = is_each or code.kind == "joins" or (code.kind == "keeps" and not way.is_end)
            inner: list[_Way] = []
            for at, number in enumerate(part.behind):
                is_final = at == len(part.behind) - 1
                below = _Way(
                    self.by_number[number],
                    place,
                    way.depth + is_nested,
                    (is_each or way.is_end) and is_final,
                    way.is_last and is_final,
                    way.is_plain and not is_each,
                )
                if self._fits(below) and len(chain.nodes) + len(waiting) + len(inner) < LONGEST:
                    inner.append(below)
                else:
                    chain.exits.append((place, number))
            waiting.extend(reversed(inner))
        return chain, places, ways

    def _fits(self, way: _Way) -> bool:
        """Whether a node can be there."""
        part = way.part
        if not self.takes(part) or way.depth > DEEPEST or (part.is_join and not way.is_plain):
            return False
        return part.policy == RAISE or (way.is_last and way.is_plain)

    def _add(self, chain: Chain, way: _Way) -> Code:
        """Add a node; a join is followed by what makes its result."""
        part = way.part
        code = Code(len(chain.nodes), f"x{way.parent + 1}")
        if part is self.head and self.is_fork:
            code.sends(code.x)
            chain.add(part, way, code, "fork")
            return code
        write(part, code)
        chain.add(part, way, code, code.kind)
        if code.kind == "joins":
            result = Code(len(chain.nodes), code.y)
            result.sends(result.x)
            chain.add(part, way._replace(parent=len(chain.nodes) - 1), result, "joined")
        return code

    def _connect(self, chain: Chain, places: dict[int, int], ways: dict[int, list[int]]) -> None:
        """Note what follows each node."""
        held: dict[tuple[int, int], int] = {}
        for number, found in ways.items():
            # Its result comes behind it.
            place = places[number] - 1
            code, node = chain.codes[place], chain.nodes[place]
            join = Join(place, code)
            variables = {}
            for at, parent in enumerate(found):
                join.exit = len(chain.exits) + len(chain.join_exits)
                chain.join_exits.append((parent, number))
                variable = f"x{parent + 1}"
                if at < len(found) - 1:
                    variable = f"h{place + 1}_{at}"
                    held[parent, number] = len(chain.held)
                    chain.held.append(Held(variable, join.variable, parent, join.exit))
                    join.held.append(chain.held[-1])
                variables[chain.nodes[parent]] = variable
            join.value = code.lines[0].format(*(variables[upstream] for upstream in node.upstreams))
            chain.joins.append(join)
        exits = {exit: at for at, exit in enumerate(chain.exits)}
        for place, part in enumerate(chain.parts):
            if chain.kinds[place] == "joins":
                chain.children.append([("node", place + 1)])
                continue
            children = []
            for number in part.behind:
                if (place, number) in held:
                    children.append(("held", held[place, number]))
                elif (place, number) in exits:
                    children.append(("exit", exits[place, number]))
                else:
                    # That of a join comes before its result.
                    children.append(("node", places[number] - (number in ways)))
            chain.children.append(children)
