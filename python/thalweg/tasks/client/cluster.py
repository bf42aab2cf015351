"""Workers shared by several clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from thalweg.tasks.client import absent, closing, registry
from thalweg.tasks.client.options import Options, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Self

    from thalweg._types import Interval
    from thalweg.tasks.client.client import Client

__all__ = ["LocalCluster"]


class LocalCluster:
    """Workers that continue when a client closes.

    It takes the arguments of `Client` about workers.

    Examples
    --------
    >>> from thalweg.tasks import Client, LocalCluster
    >>> with LocalCluster(n_workers=2) as cluster:
    ...     for x in (-1, -2):
    ...         with Client(cluster) as client:
    ...             print(client.submit(abs, x).result())
    1
    2
    """

    def __init__(
        self,
        name: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool = False,
        *,
        asynchronous: bool = False,
        memory_limit: int | float | str | None = None,
        resources: Mapping[str, float] | None = None,
        preload: str | Iterable[str] | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        worker_ttl: Interval | None = "30s",
        **kwargs: Any,
    ) -> None:
        refuse_unknown("LocalCluster", kwargs)
        self.name = name
        self.asynchronous = asynchronous
        self._options = Options(
            n_workers,
            threads_per_worker,
            bool(processes),
            memory_limit,
            resources,
            preload,
            initializer,
            tuple(initargs),
            worker_ttl,
        )
        self._engine = self._options.start()

    @property
    def status(self) -> str:
        """Status: ``"running"`` or ``"closed"``."""
        return "closed" if self._engine.closed else "running"

    @property
    def scheduler_address(self) -> str:
        """Address as a name; nothing listens there."""
        return f"inproc://{self._engine.kind}"

    @property
    def dashboard_link(self) -> str:
        """URL of the dashboard; empty if there is none."""
        return registry.client_of(self._engine).dashboard_link or ""

    def get_client(self) -> Client:
        """Return the default client if it is of this cluster, and otherwise a new one, which becomes the default.

        Examples
        --------
        >>> from thalweg.tasks import LocalCluster, default_client
        >>> with LocalCluster(n_workers=1) as cluster:
        ...     client = cluster.get_client()
        ...     default_client() is client is cluster.get_client(), client.submit(abs, -1).result()
        (True, 1)
        """
        from thalweg.tasks.client.client import Client

        default = registry.current.get() or registry.latest_default()
        if default is not None and default.cluster is self:
            return default
        return Client(self, asynchronous=self.asynchronous)

    def close(self, timeout: Any = None) -> Any:
        """End the workers, once streams have delivered their elements in flight, as `Client.close` does."""
        seconds = closing.patience(timeout)
        if self.asynchronous:
            return closing.close_later(self._engine, seconds)
        return closing.close(self._engine, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        closing.close(self._engine, closing.patience(kind=kind))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        await closing.close_later(self._engine, closing.patience(kind=kind))

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise absent.missing("'LocalCluster' object", name, absent.CLUSTER, lambda: dir(type(self)))

    def __repr__(self) -> str:
        return f"<LocalCluster: {self._engine.kind}, {self._engine.width} at a time, {self.status}>"
