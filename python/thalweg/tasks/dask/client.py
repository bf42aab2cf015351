"""Dask's own client, with our defaults."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from distributed import Client

__all__ = ["DaskClient"]


class DaskClient(Client):  # type: ignore[misc, unused-ignore]
    """Dask's client, with calls that are impure by default.

    It respects the timeout also for a scheduler that accepts the connection and does not answer.
    """

    def start(self, **kwargs: Any) -> Any:
        """Connect, and leave no thread and no global client behind if that fails."""
        try:
            return super().start(**kwargs)
        except BaseException:
            # Dask leaves this to the garbage collector, which may run while the next client's loop starts; `__del__`
            # would then wait for its lock.
            if not self.asynchronous:
                with suppress(Exception):
                    self.close()
                self._loop_runner.stop()
            raise

    async def _ensure_connected(self, timeout: Any = None) -> None:
        try:
            await asyncio.wait_for(super()._ensure_connected(timeout=timeout), timeout)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise OSError(f"the scheduler at {self.scheduler.address!r} did not answer within {timeout} s") from error

    def submit(self, func: Any, *args: Any, pure: bool = False, time_limit: Any = None, **kwargs: Any) -> Any:
        """Call a function on a worker of the cluster."""
        _refuse(time_limit)
        return super().submit(func, *args, pure=pure, **kwargs)

    def map(self, func: Any, *iterables: Any, pure: bool = False, time_limit: Any = None, **kwargs: Any) -> Any:
        """Call a function with each element, on the workers of the cluster."""
        _refuse(time_limit)
        return super().map(func, *iterables, pure=pure, **kwargs)


def _refuse(time_limit: Any) -> None:
    if time_limit is not None:
        raise ValueError("time_limit: Dask can't stop a task; a client with processes=True can")
