"""Attributes of the client that its parts use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg._thalweg.tasks import Engine


class Base:
    """A mixin of the client."""

    _engine: Engine

    @property
    def asynchronous(self) -> bool:
        """Whether methods return awaitables."""
        raise NotImplementedError

    def gather(self, futures: Any, *, asynchronous: bool | None = None) -> Any:
        """Wait for results."""
        raise NotImplementedError

    def run(self, function: Any, *args: Any, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Call a function on every worker."""
        raise NotImplementedError

    def _gather_now(self, futures: Any, skip: bool) -> Any:
        raise NotImplementedError
