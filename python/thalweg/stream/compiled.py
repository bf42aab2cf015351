"""Chains of nodes as Python functions: straight runs and branches, written out and compiled.

An operator writes its part of the code in a method `_written`, which gets a :class:`Code`; an operator without one ends
the chain, and the engine continues from there. The function is a generator: it gets an element, calls every function on
the element's way, and waits for the next one. Whatever it cannot do itself it passes to the engine by a signal, see
``crates/thalweg-python/src/compiled``.
"""

from __future__ import annotations

import os
from itertools import count
from typing import NamedTuple

from thalweg import _thalweg
from thalweg.stream.node import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

#: Maximum nodes per chain: a function of a thousand calls takes long to compile.
LONGEST = 200

#: Maximum nesting of statements: the interpreter has a limit.
DEEPEST = 8

#: Maximum number of chains whose code is cached, for others with the same code.
KEPT = 256

_RAISE, _OTHER, _RETRY = range(3)


class Code:
    """The code of one node in a chain, written by its operator.

    Attributes
    ----------
    x:
        The variable that holds the element.
    y:
        The variable for the result.
    """

    x: str
    y: str
    lines: list[str]

    def __init__(self, place: int, x: str) -> None:
        self.x, self.y = x, f"x{place + 1}"
        self.place = place
        self.objects: dict[str, Any] = {}
        self.kind: str = ""
        self.lines: list[str] = []

    def name(self, prefix: str, value: Any) -> str:
        """Return the name of a variable that holds an object."""
        name = f"{prefix}{self.place + 1}"
        while name in self.objects:
            name += "_"
        self.objects[name] = value
        return name

    def call(self, function: Any, *first: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> str:
        """Return an expression that calls a function with variables and constant arguments."""
        parts = [*first, *(self.name("a", value) for value in args)]
        if kwargs:
            parts.append(f"**{self.name('k', kwargs)}")
        return f"{self.name('f', function)}({', '.join(parts)})"

    def sends(self, value: str, *before: str) -> bool:
        """Emit the value of an expression, after some lines."""
        last = [] if value == self.y else [f"{self.y} = {value}"]
        return self._is("sends", *before, *last)

    def keeps(self, condition: str) -> bool:
        """Emit the element if a condition holds."""
        return self._is("keeps", condition)

    def each(self) -> bool:
        """Emit every element of an iterable element."""
        return self._is("each")

    def ends(self, call: str) -> bool:
        """Call a function, and emit nothing."""
        return self._is("ends", call)

    def _is(self, kind: str, *lines: str) -> bool:
        self.kind, self.lines = kind, list(lines)
        return True


class _Part:
    """A node of a pipeline, with its properties."""

    node: Stream
    number: int
    behind: list[int]
    ways: int
    policy: int
    is_single: bool
    reason: str

    def __init__(self, node: Stream, number: int, behind: list[int], ways: int, is_single: bool, policy: int) -> None:
        self.node, self.number, self.behind, self.ways, self.policy = node, number, behind, ways, policy
        self.is_single, self.reason = is_single, ""
        if len(set(behind)) < len(behind):
            self.reason = "a node is connected to it twice"
        if policy == _RETRY:
            self.reason = "it tries failed elements again"


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
        self.exits: list[tuple[int, int]] = []
        self.is_last = False
        #: For each line of the source: its node's index, whether it runs after the node, and how many nodes have run
        #: by then.
        self.lines: list[tuple[int, bool, int]] = []
        self.source = ""
        self.parts: list[_Part] = []
        self.codes: list[Code] = []
        #: The downstreams of each node: whether each is a node of the chain, and the index of the node or of the
        #: exit.
        self.children: list[list[tuple[bool, int]]] = []

    def add(self, part: _Part, way: _Way, code: Code) -> None:
        """Add a node."""
        self.nodes.append(part.node)
        self.parents.append(way.parent)
        self.kinds.append(code.kind)
        self.downstream.append(part.behind)
        self.may_skip.append(way.is_last and way.is_plain)
        self.parts.append(part)
        self.codes.append(code)

    @property
    def generator(self) -> Generator[Any, Any, None]:
        """The compiled function, called."""
        objects = {name: value for code in self.codes for name, value in code.objects.items()}
        return _function(self.source)(*_thalweg.signals, self.left, **objects)  # type: ignore[no-any-return]


def compile_chains(pipeline: _thalweg.Pipeline) -> list[Chain]:
    """The chains of a pipeline, for the engine; none if ``THALWEG_COMPILE=0`` disables compilation.

    Those downstream come first: the exits of a chain lead to what is there when it takes the place of its nodes.
    """
    if os.environ.get("THALWEG_COMPILE") == "0":
        return []
    return _chains(_parts(pipeline))[::-1]


def _parts(pipeline: _thalweg.Pipeline) -> list[_Part]:
    """The nodes of a pipeline in topological order."""
    parts = [_Part(*row) for row in pipeline._wiring()]
    by_number = {part.number: part for part in parts}
    for part in parts:
        # Failures go to nodes that only the engine knows.
        part.behind = [number for number in part.behind if number in by_number]
    if all(part.number < number for part in parts for number in part.behind):
        return parts
    return _in_order(parts, by_number)


def _in_order(parts: list[_Part], by_number: dict[int, _Part]) -> list[_Part]:
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
            part.reason = "the pipeline has a cycle"
        return parts
    return free


def _chains(parts: list[_Part]) -> list[Chain]:
    by_number = {part.number: part for part in parts}
    taken: set[int] = set()
    chains = []
    for part in parts:
        # Nodes with upstreams are part of their upstreams' chains where possible.
        if part.ways and part.number not in taken and _is_writable(part):
            chain = Chain()
            _grow(chain, part, by_number, taken)
            _Writer(chain).write()
            chains.append(chain)
    return chains


def _is_writable(part: _Part) -> bool:
    if not part.reason:
        written = _write(part, Code(0, "x0"))
        if written is not True:
            part.reason = written
        elif not part.is_single:
            part.reason = "the engine runs it as several nodes"
    return not part.reason


def _write(part: _Part, code: Code) -> Any:
    """True if the node has written its code; otherwise the reason why not."""
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
    if len(_methods) < KEPT:
        _methods[cls] = method
    return method


_methods: dict[type[Stream], Callable[[Any, Code], Any] | None] = {}


class _Way(NamedTuple):
    """A node being added to a chain."""

    part: _Part
    parent: int
    #: Its nesting depth.
    depth: int
    #: Whether nothing follows in the innermost loop, and in the function.
    is_end: bool
    is_last: bool
    #: Whether it is outside of any loop over an element's elements.
    is_plain: bool


def _grow(chain: Chain, head: _Part, by_number: dict[int, _Part], taken: set[int]) -> None:
    """Add a node and its downstreams, depth first."""
    # A list instead of recursion, since chains may be longer than the stack is deep.
    waiting = [_Way(head, -1, 0, is_end=True, is_last=True, is_plain=True)]
    places: dict[int, int] = {}
    while waiting:
        way = waiting.pop()
        part, place = way.part, len(chain.nodes)
        code = Code(place, f"x{way.parent + 1}")
        _write(part, code)
        taken.add(part.number)
        places[part.number] = place
        chain.add(part, way, code)
        is_each = code.kind == "each"
        depth = way.depth + (is_each or (code.kind == "keeps" and not way.is_end))
        inner: list[_Way] = []
        for at, number in enumerate(part.behind):
            is_final = at == len(part.behind) - 1
            below = _Way(
                by_number[number],
                place,
                depth,
                (is_each or way.is_end) and is_final,
                way.is_last and is_final,
                way.is_plain and not is_each,
            )
            if _fits(below, taken) and len(chain.nodes) + len(waiting) + len(inner) < LONGEST:
                inner.append(below)
            else:
                chain.exits.append((place, number))
        waiting.extend(reversed(inner))
    for place, part in enumerate(chain.parts):
        chain.children.append(
            [
                (False, chain.exits.index((place, number)))
                if (place, number) in chain.exits
                else (True, places[number])
                for number in part.behind
            ]
        )


def _fits(way: _Way, taken: set[int]) -> bool:
    """Whether a node can be inside a chain."""
    part = way.part
    if part.ways != 1 or part.number in taken or way.depth > DEEPEST or not _is_writable(part):
        return False
    return part.policy == _RAISE or (way.is_last and way.is_plain)


class _Writer:
    """Writes a chain's function, and records the node of every line."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.text: list[str] = []
        self.is_batch = False
        self.reached = 0

    def write(self) -> None:
        """Write the function."""
        chain = self.chain
        chain.is_last = self._ends_with_exit()
        objects = [name for code in chain.codes for name in code.objects]
        values = [f"x{place}" for place in range(len(chain.nodes) + 1)]
        counts = [f"n{place + 1}" for place, kind in enumerate(chain.kinds) if kind in ("keeps", "each")]
        self.line(0, f"def chain(DONE, MANY, FAILED, ENDED, LEFT, left{''.join(', ' + name for name in objects)}):")
        for place, part in enumerate(chain.parts):
            self.line(1, f"# x{place + 1}: {_comment(part.node)}")
        self.line(1, " = ".join(values) + " = DONE")
        if counts:
            self.line(1, " = ".join(counts) + " = 0")
        plain = [f"t{place + 1}" for place, kind in enumerate(chain.kinds) if kind == "ends"]
        if plain:
            self.line(1, " = ".join(plain) + " = None")
        if chain.is_last:
            self.line(1, "out = DONE")
        self.line(1, "while True:")
        self.line(2, "try:")
        self.line(3, "while True:")
        if chain.is_last:
            self.line(4, "x0 = yield out")
            self.line(4, "out = DONE")
        else:
            self.line(4, "x0 = yield DONE")
        self.line(4, "if x0 is MANY:")
        self.line(5, "xs = yield DONE")
        self.line(5, "if xs is None:")
        self.line(6, " = ".join(values[1:]) + " = DONE")
        self.line(6, "continue")
        if chain.is_last:
            self.line(5, "xs, put = xs")
        self.line(5, "for x0 in xs:")
        self.is_batch = True
        self.body(6)
        self.line(5, "continue")
        self.is_batch = False
        self.body(4)
        self.line(2, "except BaseException as error:")
        self.line(3, "if isinstance(error, GeneratorExit) and error.__traceback__.tb_next is None:")
        self.line(4, "return")
        self.line(3, "yield FAILED")
        self.line(3, f"yield error, ({', '.join(values)},)")
        chain.source = "\n".join(self.text) + "\n"

    def _ends_with_exit(self) -> bool:
        """Whether the only exit comes last."""
        chain = self.chain
        if len(chain.exits) != 1:
            return False
        place = 0
        while chain.kinds[place] != "each":
            if not chain.children[place]:
                return False
            is_within, place = chain.children[place][-1]
            if not is_within:
                return True
        return False

    def line(self, indent: int, text: str, place: int = -1, is_behind: bool = False) -> None:
        """Add a line, of a node or of none."""
        self.text.append("    " * indent + text)
        self.reached = max(self.reached, place + 1)
        self.chain.lines.append((place, is_behind, self.reached))

    def body(self, indent: int) -> None:
        """Write the code for one element."""
        chain = self.chain
        self.reached = 0
        # A list of nodes and of what follows at their depth, instead of recursion.
        waiting: list[tuple[str, int, int, bool, bool]] = [("node", 0, indent, True, True)]
        while waiting:
            what, place, indent, is_end, is_last = waiting.pop()
            if what == "node":
                waiting.extend(reversed(self.node(place, indent, is_end, is_last)))
            elif what == "exit":
                self.exit(place, indent, is_last)
            elif what == "left":
                self.take_up(indent, chain.parents[place], place, "None")
            else:
                self.line(indent, "else:")
                self.line(indent + 1, f"n{place + 1} += 1")

    def node(self, place: int, indent: int, is_end: bool, is_last: bool) -> list[tuple[str, int, int, bool, bool]]:
        """Write a node; return what to write after it."""
        chain, code = self.chain, self.chain.codes[place]
        after: list[tuple[str, int, int, bool, bool]] = []
        if code.kind == "sends":
            for line in code.lines:
                self.line(indent, line, place)
        elif code.kind == "ends":
            self.line(indent, f"end = {code.lines[0]}", place)
            self.line(indent, "if end is not None:", place)
            self.line(indent + 1, f"if type(end) is not t{place + 1}:", place)
            self.line(indent + 2, "yield ENDED", place, True)
            self.line(indent + 2, f"t{place + 1} = yield {place}, {code.x}, end", place, True)
            self.line(indent + 1, "end = None", place)
        elif code.kind == "each":
            self.line(indent, f"for {code.y} in {code.x}:", place)
            indent += 1
            self.take_up(indent, place, place + 1, str(place))
            self.line(indent, f"n{place + 1} += 1", place)
            is_end, is_last = True, False
        elif is_end:
            self.line(indent, f"if not {code.lines[0]}:", place)
            self.line(indent + 1, f"n{place + 1} += 1", place)
            self.line(indent + 1, "continue", place)
            self.line(indent, f"{code.y} = {code.x}", place)
        else:
            self.line(indent, f"if {code.lines[0]}:", place)
            self.line(indent + 1, f"{code.y} = {code.x}", place)
            after.append(("else", place, indent, False, False))
            indent += 1
        behind = chain.children[place]
        nodes: list[tuple[str, int, int, bool, bool]] = []
        for at, (is_within, to) in enumerate(behind):
            is_final = at == len(behind) - 1
            what = "node" if is_within else "exit"
            nodes.append((what, to, indent, is_end and is_final, is_last and is_final))
            if is_within and not is_final:
                nodes.append(("left", to, indent, False, False))
        return nodes + after

    def take_up(self, indent: int, place: int, begin: int, node: str) -> None:
        """Write that nodes process what has arrived: from an index to the last downstream of the node there."""
        parents = self.chain.parents
        top = begin if node == "None" else place
        end = begin
        while end < len(parents) and (end == top or parents[end] >= top):
            end += 1
        self.line(indent, "if left:", place)
        self.line(indent + 1, "yield LEFT", place, True)
        self.line(indent + 1, f"yield {begin}, {end}, {node}", place, True)

    def exit(self, exit: int, indent: int, is_last: bool) -> None:
        """Write an exit of the chain."""
        chain = self.chain
        place = chain.exits[exit][0]
        value = f"x{place + 1}"
        if chain.is_last and is_last:
            self.line(indent, f"put({value})" if self.is_batch else f"out = {value}", place, True)
        else:
            what = value if len(chain.exits) == 1 else f"{exit}, {value}"
            self.line(indent, f"yield {what}", place, True)


def _comment(node: Stream) -> str:
    name = node._own_name()
    return name if name.isprintable() else repr(name)


_functions: dict[str, Any] = {}
_numbers = count(1)


def _function(source: str) -> Any:
    """Compile a source text, so that tracebacks and profilers show it."""
    function = _functions.get(source)
    if function is None:
        import linecache

        if len(_functions) >= KEPT:
            oldest = next(iter(_functions))
            linecache.cache.pop(_functions.pop(oldest).__code__.co_filename, None)
        name = f"<thalweg chain {next(_numbers)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        found: dict[str, Any] = {}
        exec(compile(source, name, "exec"), {"__name__": "thalweg.chain"}, found)
        function = _functions[source] = found["chain"]
    return function


def explain(node: Stream) -> str:
    """Explain how a node's pipeline runs: its compiled chains, and what the engine runs."""
    parts = _parts(node._pipeline)
    is_off = os.environ.get("THALWEG_COMPILE") == "0"
    chains = [] if is_off else _chains(parts)
    written = {id(node) for chain in chains for node in chain.nodes}
    texts = [chain.source for chain in chains]
    left = []
    for part in parts:
        if id(part.node) in written:
            continue
        reason = part.reason
        if is_off:
            reason = "compilation is turned off by THALWEG_COMPILE=0"
        elif not reason and not part.ways:
            reason = "elements come in here"
        elif not reason:
            reason = "its policy needs the engine where more comes after it"
        left.append(f"# {_comment(part.node)}: left to the engine, {reason}")
    return "\n".join([*texts, *left])
