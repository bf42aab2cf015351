"""Random pipelines, compiled and interpreted: same calls in the same order, same failures, counters and exceptions."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thalweg

MANY = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

OPERATORS = ["map", "starmap", "filter", "remove", "pluck", "accumulate", "flatten", "union", "partition", "tap"]
JOINS = ["zip", "zip_behind"]


class Node(NamedTuple):
    operator: str
    above: int
    #: The node fails on multiples of this number; on none if it is zero.
    fails_on: int = 0
    policy: str = "raise"
    #: Node at which multiples of seven emit another element.
    emits_at: int | None = None
    option: int = 0


class Action(NamedTuple):
    what: str
    elements: tuple[int, ...] = ()
    node: int = 0


class Program(NamedTuple):
    nodes: tuple[Node, ...]
    actions: tuple[Action, ...]


#: Maximum number of elements emitted by functions in one program.
MOST = 12


def number(x: Any) -> int:
    if isinstance(x, int):
        return x
    return sum(number(item) for item in x) if isinstance(x, (tuple, list)) else 1


@st.composite
def programs(draw: st.DrawFn, policies: bool = True, emits: bool = True, joins: bool = True) -> Program:
    nodes = []
    held_back = ("union", "partition")
    operators = [*OPERATORS, *JOINS] if joins else [name for name in OPERATORS if name not in held_back]
    for place in range(draw(st.integers(1, 9))):
        operator = draw(st.sampled_from(operators))
        above = draw(st.integers(max(-1, place - 3), place - 1))
        fails_on = draw(st.sampled_from([0, 0, 0, 2, 3]))
        policy = draw(st.sampled_from(["raise", "raise", "skip", "route", "retry"])) if policies else "raise"
        at = draw(st.none() | st.none() | st.integers(-1, place)) if emits else None
        nodes.append(Node(operator, above, fails_on, policy, at, draw(st.integers(0, 2))))
    sinks = [
        Node("sink", place, draw(st.sampled_from([0, 0, 3])), option=draw(st.integers(0, 1)))
        for place in range(len(nodes))
    ]
    elements = st.lists(st.integers(-4, 30), max_size=8).map(tuple)
    actions = st.builds(Action, st.sampled_from(["emit", "emit", "emit_many", "look"]), elements)
    if policies:
        changes = st.builds(
            Action, st.sampled_from(["detach", "attach", "skip", "func"]), node=st.integers(0, len(nodes) - 1)
        )
        actions |= changes
    return Program((*nodes, *sinks), tuple(draw(st.lists(actions, min_size=1, max_size=5))))


class Run:
    """A program on one of the packages, with its log."""

    def __init__(self, program: Program, package: Any) -> None:
        self.program, self.emitted = program, 0
        self.log: list[Any] = []
        self.source = package.Stream()
        self.nodes: list[Any] = []
        self.failures = package.Stream() if package is thalweg else None
        for place, node in enumerate(program.nodes):
            self.nodes.append(self.build(place, node))
        if self.failures is not None:
            self.kept = self.failures.map(lambda failure: (failure.node, number(failure.element))).sink(self.log.append)

    def at(self, place: int) -> Any:
        return self.source if place < 0 else self.nodes[place]

    def called(self, place: int, x: Any) -> None:
        """Record a call, and fail or emit in it as the program says."""
        node = self.program.nodes[place]
        self.log.append((place, repr(x)))
        value = number(x)
        if node.fails_on and value % node.fails_on == 0:
            raise ValueError(f"{place}: {value}")
        if node.emits_at is not None and value % 7 == 0 and self.emitted < MOST:
            self.emitted += 1
            try:
                self.at(node.emits_at).emit(value + 1)
            except ValueError as error:
                self.log.append((place, "told", str(error)))

    def build(self, place: int, node: Node) -> Any:
        above = self.at(node.above)

        def f(x: Any, *more: Any) -> Any:
            self.called(place, (x, *more) if more else x)
            if node.option == 1:
                return (number(x), number(x) + 1)
            return number(x) + 1

        def test(x: Any) -> bool:
            self.called(place, x)
            return number(x) % 3 != node.option

        def pair(x: Any) -> Any:
            return x if isinstance(x, tuple) and x else (number(x), 2)

        def fold(state: Any, x: Any) -> Any:
            self.called(place, x)
            total = number(state) + number(x)
            return (total, total + 1) if node.option == 1 else total

        def end(x: Any) -> Any:
            self.called(place, x)
            return number(x) if node.option else None

        options: dict[str, Any] = {}
        if node.policy == "skip":
            options["on_error"] = "skip"
        elif node.policy == "route":
            options["on_error"] = self.failures
        elif node.policy == "retry":
            options["on_error"] = thalweg.Retry(1, then="skip")
        match node.operator:
            case "map":
                return above.map(f, **options)
            case "starmap":
                return above.map(pair).starmap(f, **options)
            case "filter":
                return above.filter(test, **options)
            case "remove":
                return above.remove(test)
            case "pluck":
                return above.map(pair).pluck([0, -1] if node.option else 0, **options)
            case "accumulate":
                start = {} if node.option == 2 else {"start": 0}
                return above.accumulate(fold, returns_state=node.option == 1, **start, **options)
            case "flatten":
                return above.map(pair).flatten(**options)
            case "union":
                return above.union(self.at(node.above - 1 if node.above > 0 else -1))
            case "tap":
                above.sink(end)
                return above.map(f, **options)
            case "partition":
                return above.partition(2)
            case "zip":
                others = [[self.at(-1)], [above.map(f)], [above.filter(test), above.map(f)]][node.option]
                return above.zip(*others, maxsize=10_000)
            case "zip_behind":
                return above.map(f).zip(above, maxsize=10_000) if node.option else above.map(f).zip(7, above.map(f))
            case _:
                return above.sink(end)

    def act(self, action: Action) -> None:
        try:
            match action.what:
                case "emit":
                    for x in action.elements:
                        try:
                            self.source.emit(x)
                        except (ValueError, TypeError) as error:
                            self.log.append(("raised", [str(error) if isinstance(error, ValueError) else type(error)]))
                case "emit_many":
                    self.source.emit_many(action.elements)
                case "look":
                    self.log.append(self.counters())
                case "detach":
                    self.at(self.program.nodes[action.node].above).disconnect(self.nodes[action.node])
                case "attach":
                    self.at(self.program.nodes[action.node].above).connect(self.nodes[action.node])
                case "skip":
                    self.nodes[action.node]._set_on_error("skip")
                case "func":
                    self.change(self.nodes[action.node])
        except Exception as error:
            errors = getattr(error, "exceptions", (error,))
            # The interpreter words errors about non-iterables differently.
            told = [str(one) if isinstance(one, ValueError) else str(type(one)) for one in errors]
            # A batch fails node by node in the engine, but element by element in a compiled chain.
            self.log.append(("raised", sorted(told)))

    def change(self, node: Any) -> None:
        if type(node) in (thalweg.map, thalweg.filter):
            name = "func" if type(node) is thalweg.map else "predicate"
            before = getattr(node, name)

            def changed(x: Any) -> Any:
                self.log.append("changed")
                return before(x)

            setattr(node, name, changed)

    def counters(self) -> list[Any]:
        names = ("received", "sent", "failed", "held")
        has_emits = any(node.emits_at is not None for node in self.program.nodes)
        # The current value is comparable only if no function emits meanwhile.
        return [
            (None if has_emits else repr(node.current_value), *(node.counters()[name] for name in names))
            for node in self.nodes
        ]


def run(program: Program, package: Any = thalweg) -> list[Any]:
    it = Run(program, package)
    for action in program.actions:
        it.act(action)
    if package is thalweg:
        it.log.append(it.counters())
    return it.log


def calls_by_node(log: list[Any]) -> dict[Any, list[Any]]:
    """Calls per node: the engine takes a batch from node to node, a chain takes it element by element."""
    by_node: dict[Any, list[Any]] = {}
    for entry in log:
        key = entry[0] if isinstance(entry, tuple) and isinstance(entry[0], int) else type(entry).__name__
        by_node.setdefault(key, []).append(entry)
    return by_node


@MANY
@given(programs().filter(lambda program: all(action.what != "emit_many" for action in program.actions)))
def test_compiled_and_interpreted_chains_agree_element_by_element(program):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THALWEG_COMPILE", "0")
        expected = run(program)
        patch.delenv("THALWEG_COMPILE")
        assert run(program) == expected


def retries_beside_a_zip(program: Program) -> bool:
    """Whether elements of a batch wait for each other's attempts in the engine, but not in chains."""
    is_joined = any(node.operator in JOINS for node in program.nodes)
    return is_joined and any(node.policy == "retry" for node in program.nodes)


@MANY
@given(programs(emits=False).filter(lambda program: not retries_beside_a_zip(program)))
def test_compiled_and_interpreted_chains_agree_in_batches(program):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THALWEG_COMPILE", "0")
        expected = run(program)
        patch.delenv("THALWEG_COMPILE")
        assert calls_by_node(run(program)) == calls_by_node(expected)


def fails_behind_a_partition(program: Program) -> bool:
    """Whether streamz raises a failure later than where it happens: its `partition` is a coroutine."""
    behind: set[int] = set()
    for number, node in enumerate(program.nodes):
        if node.operator == "partition" or node.above in behind:
            behind.add(number)
    return any(program.nodes[number].fails_on for number in behind)


@MANY
@given(programs(policies=False, emits=False, joins=False).filter(lambda program: not fails_behind_a_partition(program)))
def test_compiled_chains_match_streamz(program):
    streamz = pytest.importorskip("streamz")
    actions = tuple(action for action in program.actions if action.what == "emit")
    program = program._replace(actions=actions)
    log = [entry for entry in run(program)[:-1] if not isinstance(entry, list)]
    assert log == run(program, streamz)
