"""The part of the client that runs failed tasks again in this process, for a debugger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.tasks.client import tree
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.waiting import block, later, settled

if TYPE_CHECKING:
    from thalweg.tasks.sync.signals import Signal

__all__ = ["Recreation"]


class Recreation(Base):
    """Runs failed tasks again in this process."""

    def recreate_error_locally(self, future: Any) -> Any:
        """Run a failed task again in this process, so that its exception has local frames, for a debugger.

        Waits until it has failed. If it failed because of another task, that one is run.

        Parameters
        ----------
        future
            A failed future, or a persisted Dask collection with one in it.

        Raises
        ------
        ValueError
            Nothing has failed.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     future = client.submit(lambda x: 1 / x, 0)
        ...     error = future.exception()
        ...     try:
        ...         client.recreate_error_locally(future)
        ...     except ZeroDivisionError:
        ...         print("here")
        here
        """
        return self._recreate(tree.flat(future), "recreate_error_locally")

    def recreate_task_locally(self, future: Any) -> Any:
        """Run a failed task again in this process, and return its result. The arguments of successful tasks are not
        kept.

        Raises
        ------
        ValueError
            The task has not failed.
        """
        return self._recreate(tree.flat(future), "recreate_task_locally")

    def _recreate(self, futures: list[Any], method: str) -> Any:
        ended = settled(futures, frozenset({"error"}))
        if self.asynchronous:
            return _recreated_later(ended, futures, method)
        block(ended, None)
        return _recreated(futures, method)


async def _recreated_later(ended: Signal[None], futures: list[Any], method: str) -> Any:
    await later(ended, None)
    return _recreated(futures, method)


def _recreated(futures: list[Any], method: str) -> Any:
    failed = [future for future in futures if future.status == "error"]
    if not failed:
        raise ValueError(f"{method}: nothing has failed; what succeeded is not kept for another run")
    culprit = failed[0]
    while before := [need for need in culprit._needs() if need.status == "error"]:
        culprit = before[0]
    call = culprit._failed_call()
    if call is None:
        raise ValueError(f"{method}: what {culprit.key} was made of is not there any more")
    function, args, kwargs = call
    return function(*args, **(kwargs or {}))
