"""Calls that may take only so long."""

from __future__ import annotations

from typing import Any

from thalweg.parallel.elsewhere.element import Element, replaced, when_all_known
from thalweg.parallel.elsewhere.launcher import Launcher, Line, Session
from thalweg.parallel.elsewhere.worker import DROPPED, Failed, Policy, Report, Result, Step
from thalweg.tasks.errors import TaskTimeout

__all__ = ["limited"]


def limited(session: Session, step: Step, limit: float) -> Line:
    """Make a line of one step whose calls take no longer than the limit.

    What the step's policy says is done on this side: of a call that was stopped, nothing is left there to do it.
    """
    policy, step.policy = step.policy, Policy()
    line = session.root.longer(step)
    line.launcher = _Limited(line, step.site, policy, limit)
    return line


class _Limited(Launcher):
    """Sends every element alone, and gives each call its time.

    What comes behind waits until it is known what came of an element: it may have to go once more.
    """

    def __init__(self, line: Line, site: int, policy: Policy, limit: float) -> None:
        super().__init__(line)
        self._site, self._policy = site, policy
        self.limit = limit
        #: How often it has been tried in vain, of elements that may be tried again.
        self._attempts: dict[Element, int] = {}

    def is_idle(self) -> bool:
        """Whether there is nothing that waits, or whose results have not come."""
        return not self._attempts and super().is_idle()

    def _size(self) -> int:
        return 1

    def _expects_company(self) -> bool:
        return False

    def is_curious(self) -> bool:
        """Whether to ask what became of a group that nobody else asks about."""
        return True

    def may_be_used(self, element: Element) -> bool:
        """Whether others may go that need an element of this launcher's."""
        return element.is_known(value=False)

    def when_usable(self, element: Element, callback: Any) -> None:
        """Have `callback` called when they may."""
        element.when_known(callback, value=False)

    def takes_back(self, element: Element, known: Result | Report) -> bool:
        """See to an element that the function has failed on."""
        (outcome,) = known.outcomes
        if type(outcome) is Failed and outcome.site == self._site:
            self._failed(element, outcome)
            return True
        self._attempts.pop(element, None)
        return False

    def give_up(self, element: Element, error: BaseException) -> None:
        """See to an element whose call was stopped."""
        if not isinstance(error, TaskTimeout):
            self._attempts.pop(element, None)
            super().give_up(element, error)
            return

        self._attempts.setdefault(element, 0)

        def failed() -> None:
            value = replaced(element.base, Element.outcome) if element.is_linked else element.base
            self._failed(element, Failed(error, self._site, value))

        when_all_known(list(element.sources()), failed, value=True)

    def _failed(self, element: Element, failed: Failed) -> None:
        policy = self._policy
        attempts = self._attempts.pop(element, 0) + 1
        if attempts > policy.times:
            element.settle(DROPPED if policy.skips else failed)
            return
        self._attempts[element] = attempts
        element.group = None
        self.line.session.loop.call_later(policy.pause(attempts), self.again, [element])
