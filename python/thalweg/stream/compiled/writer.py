"""The source text of a chain's function."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.stream.compiled.chain import Chain, Held, Join
    from thalweg.stream.node import Stream

__all__ = ["comment", "write_function"]

#: What the function yields to say what follows.
SIGNALS = ("DONE", "MANY", "FAILED", "ENDED", "LEFT", "JOINED")


def write_function(chain: Chain) -> None:
    """Write a chain's source."""
    _Writer(chain).write()


class _Next(NamedTuple):
    """What is to be written: a node, an exit, what is held for a join, or what follows a node."""

    what: str
    place: int
    indent: int
    is_end: bool
    is_last: bool


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
        counts = [f"n{place + 1}" for place, kind in enumerate(chain.kinds) if kind in ("keeps", "each", "joins")]
        held = [held.variable for held in chain.held]
        self.line(0, f"def chain({', '.join([*SIGNALS, 'left', *objects])}):")
        for place, part in enumerate(chain.parts):
            if chain.kinds[place] != "joined":
                what = "what comes from " if chain.kinds[place] == "fork" else ""
                self.line(1, f"# x{place + 1}: {what}{comment(part.node)}")
        self.line(1, " = ".join([*values, *held]) + " = DONE")
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
        self.line(3, f"yield error, ({', '.join(values)},), ({_listed(chain.held)})")
        self.let_go(3)
        chain.source = "\n".join(self.text) + "\n"

    def let_go(self, indent: int, place: int = -1) -> None:
        """Write that the engine has taken what is held for joins."""
        if self.chain.held:
            variables = [held.variable for held in self.chain.held]
            self.line(indent, " = ".join([*variables, "DONE"]), place, is_behind=place >= 0)

    def _ends_with_exit(self) -> bool:
        """Whether the only exit comes last, and no node is passing the element to others then."""
        chain = self.chain
        if len(chain.exits) != 1:
            return False
        place = 0
        while chain.kinds[place] != "each" and len(chain.children[place]) == 1:
            what, place = chain.children[place][0]
            if what != "node":
                return what == "exit"
        return False

    def line(
        self, indent: int, text: str, place: int = -1, is_behind: bool = False, *, reached: int | None = None
    ) -> None:
        """Add a line, of a node or of none."""
        self.text.append("    " * indent + text)
        self.reached = max(self.reached, place + 1)
        self.chain.lines.append((place, is_behind, self.reached if reached is None else reached))

    def body(self, indent: int) -> None:
        """Write the code for one element."""
        chain = self.chain
        self.reached = 0
        # A list of nodes and of what follows at their depth, instead of recursion.
        waiting = [_Next("node", 0, indent, is_end=not chain.joins, is_last=True)]
        while waiting:
            following = waiting.pop()
            what, place, inner = following.what, following.place, following.indent
            if what == "node":
                waiting.extend(reversed(self.node(following)))
            elif what == "exit":
                self.exit(place, inner, following.is_last)
            elif what == "held":
                self.hold(chain.held[place], inner)
            elif what == "left":
                self.take_up(inner, chain.parents[place], place, "None")
            else:
                self.line(inner, "else:")
                self.line(inner + 1, f"n{place + 1} += 1")
        for join in chain.joins:
            if join.held and self.may_miss(join):
                self.give_up(join, indent)
        if self.is_batch and chain.joins:
            # The nodes of a pipeline with joins take elements one by one: what has arrived comes before the next.
            self.line(indent, "if left:")
            self.line(indent + 1, "yield LEFT")
            self.line(indent + 1, f"yield 0, {len(chain.nodes)}, None, ()")

    def node(self, at: _Next) -> list[_Next]:
        """Write a node; return what to write after it."""
        chain, place, indent = self.chain, at.place, at.indent
        code, kind = chain.codes[place], chain.kinds[place]
        is_end, is_last = at.is_end, at.is_last
        after: list[_Next] = []
        if kind in ("sends", "fork", "joined"):
            for line in code.lines:
                self.line(indent, line, place)
        elif kind == "joins":
            indent = self.join(place, indent)
        elif kind == "ends":
            self.line(indent, f"end = {code.lines[0]}", place)
            self.line(indent, "if end is not None:", place)
            self.line(indent + 1, f"if type(end) is not t{place + 1}:", place)
            self.line(indent + 2, "yield ENDED", place, True)
            self.line(indent + 2, f"t{place + 1} = yield {place}, {code.x}, end", place, True)
            self.line(indent + 1, "end = None", place)
        elif kind == "each":
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
            after.append(_Next("else", place, indent, is_end=False, is_last=False))
            indent += 1
        behind = chain.children[place]
        nodes: list[_Next] = []
        for number, (what, to) in enumerate(behind):
            is_final = number == len(behind) - 1
            nodes.append(_Next(what, to, indent, is_end=is_end and is_final, is_last=is_last and is_final))
            if what == "node" and not is_final:
                nodes.append(_Next("left", to, indent, is_end=False, is_last=False))
        return nodes + after

    def hold(self, held: Held, indent: int) -> None:
        """Write that an element is held for a join."""
        self.line(indent, f"if {held.waiting}:", held.place, True)
        self.line(indent + 1, "yield JOINED", held.place, True)
        self.line(indent + 1, f"yield {held.exit}, x{held.place + 1}, ()", held.place, True)
        self.line(indent, "else:", held.place, True)
        self.line(indent + 1, f"{held.variable} = x{held.place + 1}", held.place, True)

    def join(self, place: int, indent: int) -> int:
        """Write a join, at its last element; return how deep what follows it is."""
        join = next(join for join in self.chain.joins if join.place == place)
        variables = [held.variable for held in join.held]
        # Its code never fails. What interrupts it does so behind the node above.
        above, end = self.chain.parents[place], self.end_of(place)
        missing = "".join(f" or {variable} is DONE" for variable in variables)
        self.line(indent, f"if {join.variable}{missing}:", above, True)
        self.line(indent + 1, f"n{place + 1} += 1", above, True)
        self.line(indent + 1, "yield JOINED", above, True, reached=end)
        self.line(indent + 1, f"yield {join.exit}, x{above + 1}, ({_listed(join.held)})", above, True, reached=end)
        if variables:
            self.line(indent + 1, " = ".join([*variables, "DONE"]), above, True, reached=end)
        self.line(indent, "else:", above, True)
        self.line(indent + 1, f"x{place + 1} = {join.value}", above, True)
        if variables:
            self.line(indent + 1, " = ".join([*variables, "DONE"]), above, True)
        return indent + 1

    def give_up(self, join: Join, indent: int) -> None:
        """Write that the engine's node gets what is held at the end of an element, since another is missing."""
        variables = [held.variable for held in join.held]
        place, end = join.held[-1].place, len(self.chain.nodes)
        held = " or ".join(f"{variable} is not DONE" for variable in variables)
        self.line(indent, f"if {held}:", place, True, reached=end)
        self.line(indent + 1, "yield JOINED", place, True, reached=end)
        self.line(indent + 1, f"yield None, None, ({_listed(join.held)})", place, True, reached=end)
        self.line(indent + 1, " = ".join([*variables, "DONE"]), place, True, reached=end)

    def may_miss(self, join: Join) -> bool:
        """Whether the last element may not arrive although no function fails."""
        place = self.chain.parents[join.place]
        while place >= 0:
            if self.chain.kinds[place] not in ("sends", "fork"):
                return True
            place = self.chain.parents[place]
        return False

    def end_of(self, place: int) -> int:
        """The index behind the last node downstream of a node."""
        parents = self.chain.parents
        end = place + 1
        while end < len(parents) and parents[end] >= place:
            end += 1
        return end

    def take_up(self, indent: int, place: int, begin: int, node: str) -> None:
        """Write that nodes process what has arrived: from an index to the last downstream of the node there."""
        end = self.end_of(begin if node == "None" else place)
        self.line(indent, "if left:", place)
        self.line(indent + 1, "yield LEFT", place, True)
        self.line(indent + 1, f"yield {begin}, {end}, {node}, ({_listed(self.chain.held)})", place, True)
        self.let_go(indent + 1, place)

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


def _listed(held: list[Held]) -> str:
    """What is held for joins, with the exits."""
    return " ".join(f"({held.exit}, {held.variable})," for held in held)


def comment(node: Stream) -> str:
    """Return a node's name, on one line."""
    name = node._own_name()
    return name if name.isprintable() else repr(name)
