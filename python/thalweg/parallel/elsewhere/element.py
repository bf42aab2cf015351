"""Elements between `scatter` and `gather`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from thalweg.parallel.elsewhere.worker import DROPPED, Failed, Ref, Shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.parallel.elsewhere.launcher import Group, Line

__all__ = ["Element", "elements_in", "replaced", "when_all_known"]


class Element:
    """An element of a parallel stream: where it comes from, and what is to be done with it.

    It is a promise of a value: `result` waits for that, and it can be awaited. Sinks of a parallel stream get such;
    behind `gather` there are values.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(pow, 2).sink_to_list()
    >>> source.emit(3)
    >>> L[0].result(timeout=60)
    9
    """

    __slots__ = (
        "_waiters",
        "base",
        "group",
        "is_launched",
        "is_linked",
        "is_wanted",
        "item",
        "line",
        "metadata",
        "ordinal",
        "place",
    )

    #: What fails says so by itself.
    is_on_engine = True

    def __init__(self, line: Line, base: Any, metadata: Any, ordinal: int, *, is_linked: bool = False) -> None:
        #: What is to be done with it, and with others that need the same.
        self.line = line
        #: A value; or another element, or a tuple or the like with such in it, if it `is_linked`.
        self.base = base
        self.is_linked = is_linked
        self.metadata = metadata
        #: Which element it was of the stream it comes from, counted from 1.
        self.ordinal = ordinal
        self.is_launched = False
        #: Whether its value is wanted here.
        self.is_wanted = False
        #: The group it travels in, and its place there, once it has been launched.
        self.group: Group | None = None
        self.place = 0
        #: For an item of what the group came to.
        self.item: int | None = None
        self._waiters: list[Callable[[], None]] | None = None

    @property
    def is_bare(self) -> bool:
        """Whether it is a value that nothing has been done with."""
        return self.group is None and not self.is_linked and not self.line.chain

    def launch(self, is_wanted: bool = False) -> None:
        """Have the engine do what is to be done, together with others that wait for the same."""
        self.is_wanted = self.is_wanted or is_wanted
        if not self.is_launched and not self.is_bare:
            self.is_launched = True
            self.line.launcher.add(self)

    # What it has come to.

    def outcome(self) -> Any:
        """The value, `DROPPED` or a `Failed`; to be asked for once `when_known` has called."""
        group = self.group
        if group is None:
            return self.base
        assert group.result is not None
        outcome = group.result.outcomes[self.place]
        if self.item is None or outcome is DROPPED or type(outcome) is Failed:
            return outcome
        return outcome[self.item]

    def verdict(self) -> tuple[Any, Any]:
        """Whether there is a value: True, `DROPPED` or a `Failed`; and what was told of it."""
        group = self.group
        if group is None:
            is_missing = self.base is DROPPED or type(self.base) is Failed
            return (self.base if is_missing else True), None
        known = group.result or group.report
        assert known is not None
        outcome = known.outcomes[self.place]
        verdict = outcome if outcome is DROPPED or type(outcome) is Failed else True
        return verdict, None if known.told is None else known.told[self.place]

    def is_known(self, *, value: bool) -> bool:
        """Whether it is known what it has come to, or, without `value`, whether that is one."""
        group = self.group
        if group is None:
            return self.is_bare
        return group.result is not None or (not value and group.report is not None)

    def when_known(self, callback: Callable[[], None], *, value: bool) -> None:
        """Have `callback` called, on the event loop, once it is known."""
        if self.is_known(value=value):
            callback()
            return
        if self._waiters is None:
            self._waiters = []

        def check() -> None:
            if self.is_known(value=value):
                callback()
            else:
                self.when_known(callback, value=value)

        self._waiters.append(check)
        if self.group is None:
            self.launch(value)
        else:
            self.group.ask(self, value)

    def tell(self) -> None:
        """Call those who wait."""
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            waiter()

    def is_awaited(self) -> bool:
        """Whether anybody waits."""
        return self._waiters is not None

    def settle(self, outcome: Any) -> None:
        """Give up on it: this, a `Failed` or `DROPPED`, is what it has come to."""
        self.line, self.base, self.is_linked, self.group = self.line.session.root, outcome, False, None
        self.tell()

    def part(self, item: int) -> Element:
        """An item of what it comes to."""
        part = Element(self.line, None, self.metadata, self.ordinal, is_linked=True)
        part.group, part.place, part.item = self.group, self.place, item
        part.is_launched = True
        return part

    # For a group that refers to it.

    def refer(self, groups: list[Group]) -> Any:
        """What stands for it in another group, whose inputs are `groups`."""
        group = self.group
        if group is None:
            return self.base
        for number, other in enumerate(groups):
            if other is group:
                return Ref(number, self.place, self.item)
        groups.append(group)
        return Ref(len(groups) - 1, self.place, self.item)

    def input(self, groups: list[Group]) -> Any:
        """What the chain is called with."""
        if not self.is_linked:
            return self.base
        if type(self.base) is Element:
            return self.base.refer(groups)
        return Shape(_referring(self.base, groups))

    def sources(self) -> Iterator[Element]:
        """The elements it is made of."""
        return elements_in(self.base) if self.is_linked else iter(())

    # For those who hold one.

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the value.

        Raises
        ------
        TimeoutError
            It has not come in `timeout` seconds.
        LookupError
            A filter has dropped it.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.scatter(backend="thread").filter(None).sink_to_list()
        >>> source.emit(0)
        >>> L[0].result(timeout=60)
        Traceback (most recent call last):
        LookupError: the element was dropped by a filter
        """
        from concurrent.futures import Future

        future: Future[Any] = Future()
        self._on_loop(lambda: self.when_known(lambda: future.set_result(self.outcome()), value=True))
        return _value(future.result(timeout))

    def __await__(self) -> Any:
        from asyncio import get_running_loop

        loop = get_running_loop()
        future = loop.create_future()

        def resolve() -> None:
            if not future.done():
                future.set_result(self.outcome())

        def known() -> None:
            loop.call_soon_threadsafe(resolve)

        self._on_loop(lambda: self.when_known(known, value=True))
        return _value((yield from future))

    def _on_loop(self, call: Callable[[], None]) -> None:
        from asyncio import _get_running_loop

        loop = self.line.session.loop
        if _get_running_loop() is loop:
            call()
        else:
            loop.call_soon_threadsafe(call)

    def __repr__(self) -> str:
        if self.is_bare:
            return f"Element({self.base!r})"
        if self.is_known(value=True):
            return f"Element({self.outcome()!r})"
        return "Element(pending)"


def _value(outcome: Any) -> Any:
    if outcome is DROPPED:
        raise LookupError("the element was dropped by a filter")
    if type(outcome) is Failed:
        raise outcome.exception
    return outcome


def elements_in(x: Any) -> Iterator[Element]:
    """Find the elements in tuples, lists and dictionaries, at any depth.

    Examples
    --------
    >>> from thalweg.parallel.elsewhere.element import elements_in
    >>> list(elements_in((1, [2])))
    []
    """
    kind = type(x)
    if kind is Element:
        yield x
    elif kind is tuple or kind is list:
        for item in x:
            yield from elements_in(item)
    elif kind is dict:
        for item in x.values():
            yield from elements_in(item)


def when_all_known(elements: list[Element], callback: Callable[[], None], *, value: bool) -> None:
    """Have `callback` called, on the event loop, once all elements are known.

    Examples
    --------
    >>> from thalweg.parallel.elsewhere.element import when_all_known
    >>> when_all_known([], lambda: print("known"), value=True)
    known
    """
    missing = len(elements)
    if not missing:
        callback()

    def known() -> None:
        nonlocal missing
        missing -= 1
        if not missing:
            callback()

    for element in elements:
        element.when_known(known, value=value)


def _referring(tree: Any, groups: list[Group]) -> Any:
    return replaced(tree, lambda element: element.refer(groups))


def replaced(tree: Any, by: Callable[[Element], Any]) -> Any:
    """Put something in the place of each element in tuples, lists and dictionaries.

    Examples
    --------
    >>> from thalweg.parallel.elsewhere.element import replaced
    >>> replaced((1, [2]), repr)
    (1, [2])
    """
    kind = type(tree)
    if kind is Element:
        return by(tree)
    if kind is tuple or kind is list:
        return kind(replaced(x, by) for x in tree)
    if kind is dict:
        return {key: replaced(x, by) for key, x in tree.items()}
    return tree
