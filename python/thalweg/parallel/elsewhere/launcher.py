"""Elements on their way to an engine, in groups."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from math import ceil
from threading import Event
from time import perf_counter
from typing import Any

from thalweg.parallel.backends.base import Arrival, Backend
from thalweg.parallel.elsewhere import worker
from thalweg.parallel.elsewhere.element import Element
from thalweg.parallel.elsewhere.worker import Chain, Failed, Parcel, Report, Result

__all__ = ["Group", "Launcher", "Line", "Session"]

#: How long a group may take, in seconds, by what its elements have taken so far.
LONGEST = 0.005

#: How large a group may be, in bytes, unless it is a single element.
LARGEST = 1 << 20

#: What part of its trip a group's work is to be, for the trip to be worth it.
_WORTH = 0.25

#: What an element takes at least, in seconds: what is measured may be nothing.
_TINY = 1e-8

#: What part of a fair share is enough company.
_ENOUGH = 0.9

#: How fast it is forgotten how many elements there were.
_FADING = 0.99

#: How many groups come back unasked before one is asked how long it took.
_UNASKED = 16


class Session:
    """What the nodes behind one `scatter` have in common: the engine, and the event loop that all of it happens on."""

    def __init__(self, backend: Backend, *, is_ordered: bool = True) -> None:
        self.backend = backend
        self.is_ordered = is_ordered
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Nothing is to be done.
        self.root = Line(self, Chain(()))

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop.

        Raises
        ------
        RuntimeError
            Nothing has happened yet.
        """
        if self._loop is None:
            raise RuntimeError("no element has been sent to the engine yet")
        return self._loop

    def call(self, callback: Callable[[], None]) -> None:
        """Call something on the event loop, from any thread."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # It has been closed: nobody is left to be told.
            return

    def begin(self) -> None:
        """Take note of the loop that runs, which a pipeline may have been built before."""
        running = asyncio._get_running_loop()
        if running is not None:
            self._loop = running


class Line:
    """A chain of steps on an engine: elements that need the same are on one line."""

    def __init__(self, session: Session, chain: Chain) -> None:
        self.session = session
        self.chain = chain
        self.launcher = Launcher(self)

    def longer(self, step: worker.Step) -> Line:
        """This line with one step more."""
        if isinstance(step, worker.Tell):
            return Line(self.session, Chain(self.chain.steps, step))
        return Line(self.session, Chain((*self.chain.steps, step)))


class Group:
    """Elements that travel together, and what they came to."""

    __slots__ = (
        "_asked",
        "_is_asked",
        "_is_done",
        "departed",
        "elements",
        "future",
        "is_wanted",
        "launcher",
        "report",
        "result",
        "size",
    )

    def __init__(self, launcher: Launcher, elements: list[Element]) -> None:
        self.launcher = launcher
        #: All of them, until it is known that they have arrived.
        self.elements: list[Element] | None = elements
        self.size = len(elements)
        self.departed = 0.0
        #: Those that somebody waits for.
        self._asked = [element for element in elements if element.is_awaited()]
        #: Whether the values are wanted here, so that they come as soon as they are there.
        self.is_wanted = any(element.is_wanted for element in elements)
        #: Whether a report has been asked for.
        self._is_asked = False
        self._is_done = False
        self.future: Any = None
        self.result: Result | None = None
        self.report: Report | None = None

    @property
    def backend(self) -> Backend:
        """The engine it travels to."""
        return self.launcher.line.session.backend

    def depart(self) -> None:
        """Hand it over to the engine."""
        assert self.elements is not None
        self.departed = perf_counter()
        groups: list[Group] = []
        try:
            function, parcel, before = self.launcher.pack(self.elements, groups)
            inputs = (*before, *(group.future for group in groups))
            self.future = self.backend.submit(function, parcel, *inputs, timeout=self.launcher.limit)
        except Exception as error:
            # It never left.
            self.launcher.line.session.call(partial(self._arrived, None, error))
            return
        self._when_there(self.backend.when_done, self.future, self._arrived)
        if self.backend.is_remote and not self.is_wanted and (self._asked or self.launcher.is_curious()):
            self._ask_for_report()

    def ask(self, element: Element, value: bool) -> None:
        """See to it that it gets known what came of an element; the element is told."""
        self._asked.append(element)
        if value and not self.is_wanted:
            self.is_wanted = True
            if self._is_done:
                self._when_there(self.backend.fetch, self.future, self._known)
        elif not self.is_wanted and self.backend.is_remote:
            self._ask_for_report()

    def _ask_for_report(self) -> None:
        if self._is_asked:
            return
        self._is_asked = True
        try:
            asked = self.backend.submit(worker.report, self.future)
        except Exception as error:
            self.launcher.line.session.call(partial(self._known, None, error))
            return
        self._when_there(self.backend.fetch, asked, self._known)

    def _when_there(self, ask: Callable[[Any, Arrival], None], future: Any, arrival: Arrival) -> None:
        """Have `arrival` called on the event loop."""
        session = self.launcher.line.session
        there = Event() if hasattr(session.loop, "step") else None

        def arrived(result: Any, error: BaseException | None) -> None:
            session.call(partial(arrival, result, error))
            if there is not None:
                there.set()

        ask(future, arrived)
        if there is not None:
            # On a virtual clock no time passes while an engine works.
            there.wait()

    def _arrived(self, result: Any, error: BaseException | None) -> None:
        self._is_done = True
        self.launcher.came_back(self, error)
        if error is not None:
            self._lost(error)
        elif type(result) is Result:
            self._known(result, None)
        elif self.is_wanted:
            self._when_there(self.backend.fetch, self.future, self._known)
        elif not self._is_asked:
            self._settled()
        self.launcher.go_on()

    def _settled(self) -> None:
        """All of them have arrived: none has to go again."""
        if self.elements is not None:
            self.elements = None
            self.launcher.unknown -= self.size

    def _known(self, known: Any, error: BaseException | None) -> None:
        if error is not None:
            self._lost(error)
            return
        if self.elements is not None and self.launcher.limit is not None:
            (element,) = self.elements
            if self.launcher.takes_back(element, known):
                self._asked = []
                self._settled()
                return
        if type(known) is Result:
            self.result = known
        else:
            self.report = known
        self.launcher.learn(known)
        self._settled()
        asked, self._asked = self._asked, []
        for element in asked:
            element.tell()

    def _lost(self, error: BaseException) -> None:
        """The group as a whole has failed, which no function of the user's can bring about by itself."""
        elements, asked = self.elements, self._asked
        self._settled()
        self._asked, self.is_wanted = [], False
        if elements is None:
            for element in asked:
                element.settle(Failed(error))
        elif len(elements) == 1:
            self.launcher.give_up(elements[0], error)
        else:
            # One of them may be to blame: each for itself, then.
            for element in elements:
                element.group = None
            self.launcher.again(elements)


class Launcher:
    """Sends the elements of one line to the engine.

    When nothing is on its way, what waits goes at once. As long as there are fewer groups on their way than the engine
    does at a time, it goes at once, too, unless the trip takes so much longer than the work that company is worth
    waiting for. Else it goes when a group has come back: together, but in no larger groups than keep all of the engine
    busy, nor such as would take long.
    """

    #: How long a group may take, in seconds; those that have a limit are of one element.
    limit: float | None = None

    def __init__(self, line: Line) -> None:
        self.line = line
        self.waiting: deque[Element] = deque()
        #: Elements of groups that failed as a whole.
        self.alone: deque[Element] = deque()
        self.on_way: set[Group] = set()
        #: How many elements have left, and are wanted back but not there yet.
        self.unknown = 0
        #: Seconds per element; None until there is any experience.
        self.seconds: float | None = None
        #: Seconds that a group is on its way besides.
        self._trip = 0.0
        #: How many elements there were lately, those on their way included.
        self._crowd = 0.0
        self._unasked = 0
        #: Who waits for an element of this launcher's to leave.
        self._waiters: dict[Element, list[Callable[[], None]]] = {}
        #: The element of another launcher's that the next one has to wait for.
        self._blocked_by: Element | None = None
        line.session.backend.launchers.add(self)

    @property
    def width(self) -> int:
        """How many groups may be on their way."""
        return self.line.session.backend.width

    def is_idle(self) -> bool:
        """Whether there is nothing that waits, or whose results have not come."""
        return not (self.waiting or self.alone or self.on_way or self.unknown)

    def add(self, element: Element) -> None:
        """Take an element; it leaves when it may."""
        self.line.session.begin()
        self.waiting.append(element)
        self.go_on()

    def again(self, elements: list[Element]) -> None:
        """Take elements back, to send each of them alone."""
        self.alone.extendleft(reversed(elements))
        self.go_on()

    def go_on(self) -> None:
        """Send what may go."""
        while (self.waiting or self.alone) and len(self.on_way) < self.width and not self._expects_company():
            elements = self._next_group()
            if not elements:
                return
            group = Group(self, elements)
            for place, element in enumerate(elements):
                element.group, element.place = group, place
            self.on_way.add(group)
            self.unknown += group.size
            group.depart()
            if self._waiters:
                for element in elements:
                    for callback in self._waiters.pop(element, ()):
                        callback()

    def _next_group(self) -> list[Element]:
        if self.alone:
            return [self.alone.popleft()] if self._may_go(self.alone[0]) else []
        room = self._size()
        elements: list[Element] = []
        nbytes = 0
        while self.waiting and len(elements) < room and self._may_go(self.waiting[0]):
            element = self.waiting[0]
            if not element.is_linked:
                nbytes += worker.size_of(element.base)
                if elements and nbytes > LARGEST:
                    break
            elements.append(self.waiting.popleft())
        return elements

    def _expects_company(self) -> bool:
        """Whether to wait until more have come, or the next group is back."""
        if not self.on_way or self.alone or self.seconds is None:
            return False
        self._crowd = max(len(self.waiting) + self.unknown, _FADING * self._crowd)
        return len(self.waiting) < self._enough()

    def _enough(self) -> float:
        """How many are worth the trip: the more the longer it is, but no more than a fair share."""
        worth = _WORTH * self._trip / max(self.seconds or 0.0, _TINY)
        return min(worth, _ENOUGH * self._crowd / self.width)

    def _size(self) -> int:
        """How many may go together."""
        if self.seconds is None:
            return 1
        many = self._crowd if self._enough() > 1 else len(self.waiting)
        return max(1, min(ceil(many / self.width), int(LONGEST / max(self.seconds, _TINY))))

    def _may_go(self, element: Element) -> bool:
        for source in element.sources():
            launcher = source.line.launcher
            if not launcher.may_be_used(source):
                if self._blocked_by is not source:
                    self._blocked_by = source
                    launcher.when_usable(source, self._unblock)
                return False
        return True

    def _unblock(self) -> None:
        self._blocked_by = None
        self.go_on()

    def may_be_used(self, element: Element) -> bool:
        """Whether others may go that need an element of this launcher's: it has left."""
        return element.group is not None or element.is_bare

    def when_usable(self, element: Element, callback: Callable[[], None]) -> None:
        """Have `callback` called when they may."""
        self._waiters.setdefault(element, []).append(callback)

    def pack(self, elements: list[Element], groups: list[Group]) -> tuple[Callable[..., Result], Parcel, list[Any]]:
        """Make a task of elements: the function, what it is called with first, and the futures that go before those of
        `groups`, which are those the elements refer to.
        """
        values = [element.input(groups) for element in elements]
        return worker.run, Parcel(self.line.chain, values, any(element.is_linked for element in elements)), []

    def came_back(self, group: Group, error: BaseException | None) -> None:
        """Count a group less."""
        self.on_way.discard(group)
        if error is None and self.seconds is not None:
            trip = max(0.0, perf_counter() - group.departed - group.size * self.seconds)
            self._trip = _mean(self._trip or trip, trip)

    def takes_back(self, element: Element, known: Result | Report) -> bool:
        """Whether what an element has come to is not the end of it."""
        return False

    def give_up(self, element: Element, error: BaseException) -> None:
        """See to an element whose group, in which it was alone, has failed as a whole."""
        element.settle(Failed(error))

    def is_curious(self) -> bool:
        """Whether to ask how long a group takes that nobody else asks about."""
        self._unasked += 1
        return self.seconds is None or self._unasked % _UNASKED == 0

    def learn(self, known: Result | Report) -> None:
        """Take note of how long elements take."""
        each = known.seconds / max(1, len(known.outcomes))
        self.seconds = _mean(each if self.seconds is None else self.seconds, each)


def _mean(before: float, now: float) -> float:
    """A mean in which what was long ago counts ever less."""
    return 0.7 * before + 0.3 * now
