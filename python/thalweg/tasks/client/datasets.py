"""The part of the client for named values: metadata, and published data sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from functools import partial
from threading import Lock
from typing import Any

from thalweg.tasks.client import registry
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.waiting import either

_nothing: Any = object()


class Store:
    """Metadata and data sets of an engine, in the process that has its client.

    Examples
    --------
    >>> from thalweg.tasks.client.datasets import Store
    >>> store = Store()
    >>> store.set_metadata(["run", "seed"], 7)
    >>> store.get_metadata(["run"])
    {'seed': 7}
    """

    #: Operations that worker processes may request.
    operations: frozenset[str] = frozenset({
        "get_dataset",
        "get_metadata",
        "list_datasets",
        "publish_dataset",
        "set_metadata",
        "unpublish_dataset",
    })  # fmt: skip

    def __init__(self) -> None:
        self._metadata: dict[Any, Any] = {}
        self._datasets: dict[Any, Any] = {}
        self._lock = Lock()

    def set_metadata(self, path: list[Any], value: Any) -> None:
        """Store a value under the last key of a path."""
        *way, last = path
        with self._lock:
            place = self._metadata
            for step in way:
                place = place.setdefault(step, {})
            place[last] = value

    def get_metadata(self, path: list[Any], *default: Any) -> Any:
        """Return the value under a path, or else the default, if given."""
        value: Any = self._metadata
        for step in path:
            if not isinstance(value, dict) or step not in value:
                if default:
                    return default[0]
                raise KeyError(path if len(path) != 1 else path[0])
            value = value[step]
        return value

    def publish_dataset(self, values: dict[Any, Any], override: bool) -> None:
        """Store values under their names."""
        with self._lock:
            for name in values:
                if name in self._datasets and not override:
                    raise KeyError(f"there is a data set {name!r} already")
            self._datasets.update(values)

    def get_dataset(self, name: Any, *default: Any) -> Any:
        """Return the value of a name, or else the default, if given."""
        if name in self._datasets:
            return self._datasets[name]
        if default:
            return default[0]
        raise KeyError(f"there is no data set {name!r}")

    def list_datasets(self) -> list[Any]:
        """Return the names."""
        return list(self._datasets)

    def unpublish_dataset(self, name: Any) -> None:
        """Remove a name."""
        with self._lock:
            if name not in self._datasets:
                raise KeyError(f"there is no data set {name!r}")
            del self._datasets[name]


class RemoteStore:
    """The store, as seen by tasks in worker processes.

    Parameters
    ----------
    ask
        Requests an operation from the parent, and returns the answer.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in Store.operations:
            raise AttributeError(name)
        return partial(self._ask, name)


class Datasets(Base):
    """Stores values shared by all clients of the same workers, and their tasks."""

    @property
    def _store(self) -> Any:
        return registry.shared(self._engine).store

    def set_metadata(self, key: Any, value: Any, *, asynchronous: bool | None = None) -> Any:
        """Store a value under a key, or under a list of nested keys.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.set_metadata(["run", "seed"], 7)
        ...     client.get_metadata("run")
        {'seed': 7}
        """
        return self._keep(asynchronous, self._store.set_metadata, _path(key), value)

    def get_metadata(self, keys: Any, default: Any = _nothing, *, asynchronous: bool | None = None) -> Any:
        """Return the value under a key, or under a list of nested keys.

        Raises
        ------
        KeyError
            There is none, and no default.
        """
        return self._keep(asynchronous, self._store.get_metadata, _path(keys), *_given(default))

    def publish_dataset(
        self,
        *args: Any,
        name: Any = None,
        override: bool = False,
        asynchronous: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Publish futures, collections of Dask or other values under names, until they are unpublished.

        Raises
        ------
        KeyError
            The name is taken, and is not to be replaced.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.publish_dataset(table=client.scatter([1, 2]))
        ...     client.list_datasets(), len(client.get_dataset("table"))
        (['table'], 2)
        """
        if args:
            if len(args) != 1 or name is None:
                raise ValueError("publish_dataset: one value with a `name`, or values by their names")
            kwargs = {name: args[0]}
        elif name is not None:
            kwargs = {"name": name, **kwargs}
        return self._keep(asynchronous, self._store.publish_dataset, kwargs, override)

    def get_dataset(self, name: Any, default: Any = _nothing, *, asynchronous: bool | None = None) -> Any:
        """Return the data set with a name.

        Raises
        ------
        KeyError
            There is none, and no default.
        """
        return self._keep(asynchronous, self._store.get_dataset, name, *_given(default))

    def list_datasets(self, *, asynchronous: bool | None = None) -> Any:
        """Return the names of all data sets."""
        return self._keep(asynchronous, self._store.list_datasets)

    def unpublish_dataset(self, name: Any, *, asynchronous: bool | None = None) -> Any:
        """Unpublish a data set.

        Raises
        ------
        KeyError
            There is none.
        """
        return self._keep(asynchronous, self._store.unpublish_dataset, name)

    @property
    def datasets(self) -> Published:
        """The data sets, as a mapping.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.datasets["seed"] = 7
        ...     dict(client.datasets.items())
        {'seed': 7}
        """
        return Published(self)

    def _keep(self, asynchronous: bool | None, what: Callable[..., Any], *args: Any) -> Any:
        return either(self.asynchronous if asynchronous is None else asynchronous, what, *args)


class Published(MutableMapping[Any, Any]):
    """A client's data sets by name. In an asynchronous client's loop they are awaited, and iterated over by ``async
    for``.
    """

    def __init__(self, client: Datasets) -> None:
        self._client = client

    def __getitem__(self, name: Any) -> Any:
        return self._client.get_dataset(name)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for name in await self._client.list_datasets(asynchronous=True):
            yield name

    def __setitem__(self, name: Any, value: Any) -> None:
        self._client._store.publish_dataset({name: value}, True)

    def __delitem__(self, name: Any) -> None:
        self._client._store.unpublish_dataset(name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._client._store.list_datasets())

    def __len__(self) -> int:
        return len(self._client._store.list_datasets())


def _path(keys: Any) -> list[Any]:
    return list(keys) if isinstance(keys, (list, tuple)) else [keys]


def _given(default: Any) -> tuple[Any, ...]:
    return () if default is _nothing else (default,)
