"""Dask's graphs on the engine: one call for a whole graph.

Tasks are placed in depth-first order, each after its dependencies, so that results are used soon after they were made.
If a task only refers to others and plain values, its function is called directly; other tasks are evaluated by Dask's
own objects.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from thalweg._thalweg.tasks import Engine, Future
from thalweg.tasks.client import tree
from thalweg.tasks.client.coroutines import awaited, runnable
from thalweg.tasks.client.watching import watched

try:
    from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef, convert_legacy_task
except ImportError as error:
    raise ImportError(f"collections need Dask, of 2025.4 or newer: pip install 'dask>=2025.4' ({error})") from error

__all__ = ["FutureNode", "Plan"]

#: A call for the engine: function, arguments, keywords, pairs of a position and the number of a source, and perhaps
#: its options.
Call = tuple[Any, ...]

#: Types of keys in graphs of the older kind; other values are not looked up.
_KEYS = (str, tuple, int, float, bytes)

#: Types without futures, not visited.
_WITHOUT_FUTURES = frozenset({int, float, str, bytes, bool, type(None), slice, Alias, TaskRef})

#: Types that may contain keys.
_INTRICATE = (list, dict, set, frozenset, GraphNode, Future)


class FutureNode(DataNode):
    """A value in a graph that is, or will be, the result of a future.

    Dask's other schedulers can run a graph with it: they wait for the future.
    """

    __slots__ = ("future",)

    def __init__(self, key: Any, future: Future[Any]) -> None:
        super().__init__(key, None)
        self.future: Any = future

    def __call__(self, values: Any = ()) -> Any:
        """Wait for the future."""
        from thalweg._thalweg.tasks import OutOfTheWay

        if self.future.done():
            return self.future.result()
        with OutOfTheWay():
            return self.future.result()

    def copy(self) -> FutureNode:
        """Return a copy with the same future."""
        return FutureNode(self.key, self.future)

    def substitute(self, subs: dict[Any, Any], key: Any = None) -> FutureNode:
        """Return a copy with another key."""
        return self if key is None or key == self.key else FutureNode(key, self.future)

    @property
    def block_fusion(self) -> bool:
        """Stays separate, so that the engine finds it."""
        return True

    def __repr__(self) -> str:
        return f"FutureNode({self.key!r}, {self.future!r})"

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("thalweg-future", self.future.key)

    def __reduce__(self) -> Any:
        return FutureNode, (self.key, self.future)


tree.HOLDERS.add(FutureNode)


class _Hole:
    """Placeholder of a future in a value that is sent without it."""

    __slots__ = ()


_hole = _Hole()


def _fill(value: Any, *results: Any) -> Any:
    """Replace placeholders of futures by results."""
    left = iter(results)
    return tree.replace(value, lambda _: next(left), {_Hole})


class Plan:
    """The calls of a graph.

    Examples
    --------
    >>> from thalweg.tasks import Client
    >>> from thalweg.tasks.client.graph import Plan
    >>> with Client() as client:
    ...     plan = Plan({"a": 2, "b": (pow, "a", 3), "c": (sum, ["a", "b"])}, client._engine)
    ...     futures = plan.run(["c"], {})
    ...     futures["c"].result()
    10
    """

    def __init__(
        self, graph: dict[Any, Any], engine: Engine, asked: Mapping[Any, dict[str, Any]] | None = None
    ) -> None:
        self._graph = graph
        self._engine = engine
        #: By key: options of that call only.
        self._asked = asked
        self._calls: list[Call] = []
        self._given: list[Future[Any]] = []
        #: By key: the number of a call, or of a given future, counted down from -1; None: a constant.
        self._place: dict[Any, int | None] = {}
        self._constants: dict[Any, Any] = {}
        #: By key: the result of `_parse`.
        self._parsed: dict[Any, Any] = {}
        #: By key: number of values held at once while it is computed, if each were used once.
        self._held: dict[Any, int] = {}

    def run(self, keys: Any, options: dict[str, Any]) -> dict[Any, Future[Any]]:
        """Start the calls for the keys, and return their futures."""
        collecting = gc.isenabled()
        # A graph is many small acyclic tuples: garbage collections would take half the time.
        gc.disable()
        try:
            return self._start(keys, options)
        finally:
            if collecting:
                gc.enable()

    def _start(self, keys: Any, options: dict[str, Any]) -> dict[Any, Future[Any]]:
        for key in keys:
            self._visit(key)
        wanted = {key: place for key in keys if (place := self._place[key]) is not None and place >= 0}
        numbers = list(dict.fromkeys(wanted.values()))
        if self._engine.kind == "processes":
            by_number = self._submit_each(numbers, options)
            return {key: self._future(key, by_number) for key in keys}
        offset = len(self._given)
        if offset:
            self._calls = [
                (function, args, kwargs, _shifted(slots, offset), *asked)
                for function, args, kwargs, slots, *asked in self._calls
            ]
        started = self._engine.run_graph(
            self._calls, [number + offset for number in numbers], given=self._given, **options
        )
        by_number = dict(zip(numbers, started, strict=True))
        return {key: self._future(key, by_number) for key in keys}

    def _submit_each(self, wanted: list[int], options: dict[str, Any]) -> dict[int, Future[Any]]:
        """Start the calls one by one, for worker processes."""
        futures: list[Future[Any]] = []
        for function, args, kwargs, slots, *asked in self._calls:
            if slots:
                filled = list(args)
                for i in range(0, len(slots), 2):
                    source = slots[i + 1]
                    filled[slots[i]] = futures[source] if source >= 0 else self._given[-1 - source]
                args = tuple(filled)
            futures.append(self._engine.submit(function, args, kwargs, **(asked[0] if asked else options)))
        return {number: futures[number] for number in wanted}

    def _future(self, key: Any, by_number: dict[int, Future[Any]]) -> Future[Any]:
        place = self._place[key]
        if place is None:
            return self._engine.scatter(self._constants[key])
        return self._given[-1 - place] if place < 0 else by_number[place]

    def _explore(self, key: Any) -> None:
        """Parse a key and its dependencies, without recursion: graphs are deep."""
        graph, parsed, held = self._graph, self._parsed, self._held
        underway: set[Any] = set()
        stack = [key]
        while stack:
            key = stack[-1]
            if key in held:
                stack.pop()
                continue
            if key not in parsed:
                if key not in graph:
                    raise ValueError(f"the graph has no key {key!r}")
                parsed[key] = self._parse(key, graph[key])
            node = parsed[key]
            if node is None or not node[3]:
                stack.pop()
                held[key] = 0 if node is None else 1
                continue
            missing = [need for _, need in node[3] if need not in held]
            if missing:
                if key in underway:
                    raise ValueError(f"the graph has a cycle through {key!r}")
                underway.add(key)
                stack += missing
                continue
            stack.pop()
            held[key] = self._in_order(node[3])

    def _in_order(self, needs: list[tuple[int, Any]]) -> int:
        """Sort dependencies by the values they hold while they are computed, most first; return how many are held at
        once."""
        held = self._held
        if len(needs) == 1:
            return held[needs[0][1]] or 1
        if len(needs) == 2:
            first, second = held[needs[0][1]], held[needs[1][1]]
            if first < second:
                needs.reverse()
                first, second = second, first
            return max(1, first, second + 1)
        needs.sort(key=lambda need: held[need[1]], reverse=True)
        return max(1, *(held[need] + before for before, (_, need) in enumerate(needs)))

    def _visit(self, key: Any) -> None:
        """Place a key after its dependencies."""
        place, parsed = self._place, self._parsed
        self._explore(key)
        stack = [key]
        while stack:
            key = stack[-1]
            if key in place:
                stack.pop()
                continue
            node = parsed[key]
            missing = [need for _, need in node[3] if need not in place]
            if missing:
                missing.reverse()
                stack += missing
                continue
            stack.pop()
            self._call(key, *node)

    def _call(
        self,
        key: Any,
        function: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        needs: list[tuple[int, Any]],
    ) -> None:
        place = self._place
        if function is None:
            # An alias.
            target = needs[0][1]
            place[key] = place[target]
            if place[key] is None:
                self._constants[key] = self._constants[target]
            return
        slots: list[int] = []
        filled: list[Any] | None = None
        for position, need in needs:
            source = place[need]
            if source is None:
                filled = list(args) if filled is None else filled
                filled[position] = self._constants[need]
            else:
                slots += (position, source)
        if filled is not None:
            args = tuple(filled)
        place[key] = len(self._calls)
        function = watched(self._engine, runnable(function), key)
        call = (function, args, kwargs, tuple(slots))
        asked = self._asked.get(key) if self._asked else None
        self._calls.append(call if asked is None else (*call, asked))

    def _parse(self, key: Any, value: Any) -> tuple[Any, ...] | None:
        """Function, arguments, keywords and dependencies of a call; no function for an alias; None once it is
        placed."""
        if isinstance(value, GraphNode):
            return self._parse_node(key, self._with_refs(value))
        if type(value) is tuple and value and callable(value[0]):
            args = value[1:]
            needs = self._needs(args)
            if needs is not None:
                return value[0], args, None, needs
        elif isinstance(value, Future):
            self._give(key, value)
            return None
        value = self._with_aliases(value)
        converted = convert_legacy_task(key, value, self._graph)
        if isinstance(converted, GraphNode):
            return self._parse_node(key, converted)
        self._keep(key, converted)
        return None

    def _needs(self, args: tuple[Any, ...]) -> list[tuple[int, Any]] | None:
        """Positions of keys among the arguments of a call of the older kind; None if they are nested."""
        graph = self._graph
        needs = []
        for position, arg in enumerate(args):
            if isinstance(arg, _KEYS):
                try:
                    if arg in graph:
                        needs.append((position, arg))
                    elif isinstance(arg, tuple):
                        return None
                except TypeError:
                    # A tuple that cannot be a key.
                    return None
            elif isinstance(arg, _INTRICATE) or _is_a_ref(arg):
                return None
        return needs

    def _parse_node(self, key: Any, node: Any) -> tuple[Any, ...] | None:
        kind = type(node)
        if kind is Task:
            needs = []
            for position, arg in enumerate(node.args):
                if isinstance(arg, Alias):
                    needs.append((position, arg.target))
                elif isinstance(arg, TaskRef):
                    needs.append((position, arg.key))
                elif isinstance(arg, GraphNode):
                    return _evaluated(node)
            kwargs = node.kwargs
            if kwargs and any(isinstance(arg, (GraphNode, TaskRef)) for arg in kwargs.values()):
                return _evaluated(node)
            return node.func, node.args, kwargs or None, needs
        if kind is Alias:
            return None, (), None, [(0, node.target)]
        if kind is FutureNode:
            self._give(key, node.future)
            return None
        if isinstance(node, DataNode):
            self._keep(key, node.value)
            return None
        return _evaluated(node)

    def _with_refs(self, value: Any) -> Any:
        """A value or node with references in place of futures; the same object if there are none."""
        kind = type(value)
        if kind in _WITHOUT_FUTURES or kind is FutureNode:
            return value
        if isinstance(value, Future):
            return TaskRef(self._key_of(value))
        if isinstance(value, Task):
            return self._task_with_refs(value)
        if isinstance(value, DataNode):
            inner = self._with_refs(value.value)
            if inner is value.value:
                return value
            return Alias(value.key, inner) if isinstance(inner, TaskRef) else Task(value.key, inner.func, *inner.args)
        if not isinstance(value, (list, tuple, dict, set, frozenset)):
            return value
        futures = tree.to_replace(value)
        if not futures:
            return value
        refs = [TaskRef(self._key_of(future)) for future in futures]
        return Task(None, _fill, tree.replace(value, lambda _: _hole), *refs)

    def _with_aliases(self, value: Any) -> Any:
        """A value of the older kind, which refers to keys directly, with nodes in place of futures."""
        if isinstance(value, Future):
            return Alias(self._key_of(value))
        if type(value) in (list, tuple, set, frozenset):
            replaced = [self._with_aliases(each) for each in value]
            return value if all(map(is_, replaced, value)) else type(value)(replaced)
        return self._with_refs(value)

    def _task_with_refs(self, task: Any) -> Any:
        args = [self._with_refs(arg) for arg in task.args]
        kwargs = {name: self._with_refs(arg) for name, arg in task.kwargs.items()} if task.kwargs else {}
        if task.has_subgraph():
            graph = {key: self._with_refs(node) for key, node in args[0].items()}
            if any(graph[key] is not node for key, node in args[0].items()):
                new: list[Any] = [
                    key for node in graph.values() for key in node.dependencies if isinstance(key, _FutureKey)
                ]
                args = [graph, args[1], (*args[2], *new), *args[3:], *map(TaskRef, new)]
        elif all(map(is_, args, task.args)) and all(kwargs[name] is arg for name, arg in task.kwargs.items()):
            return task
        return Task(task.key, task.func, *args, **kwargs)

    def _key_of(self, future: Future[Any]) -> Any:
        key = _FutureKey(future)
        if key not in self._place:
            self._give(key, future)
            self._parsed[key] = None
            self._held[key] = 0
        return key

    def _give(self, key: Any, future: Future[Any]) -> None:
        if future.engine is not self._engine:
            raise ValueError(f"the future {future.key!r} belongs to another client")
        self._given.append(future)
        self._place[key] = -len(self._given)

    def _keep(self, key: Any, value: Any) -> None:
        if self._engine.kind == "processes" and not isinstance(value, (str, int, float, bytes, type(None))):
            # Once for all dependents, instead of with each of them.
            self._give(key, self._engine.scatter(value))
            return
        self._place[key] = None
        self._constants[key] = value


class _FutureKey:
    """The key by which a graph refers to a future among its values."""

    __slots__ = ("key",)

    def __init__(self, future: Future[Any]) -> None:
        self.key = future.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _FutureKey) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _is_a_ref(value: Any) -> bool:
    return isinstance(value, TaskRef) or getattr(value, "__dask_future__", False)


def _evaluated(node: Any) -> tuple[Any, ...]:
    names = tuple(node.dependencies)
    args = (node, names, *(None,) * len(names))
    return _evaluate, args, None, [(position + 2, name) for position, name in enumerate(names)]


def _evaluate(node: Any, names: tuple[Any, ...], *values: Any) -> Any:
    result = node(dict(zip(names, values, strict=True)))
    return awaited(result) if getattr(node, "is_coro", False) else result


def _shifted(slots: tuple[int, ...], offset: int) -> tuple[int, ...]:
    """Number sources as the engine does: given futures come first."""
    if not slots:
        return slots
    shifted = list(slots)
    for i in range(1, len(shifted), 2):
        source = shifted[i]
        shifted[i] = source + offset if source >= 0 else -1 - source
    return tuple(shifted)
