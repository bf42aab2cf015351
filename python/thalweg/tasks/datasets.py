"""The part of the client that keeps values under names: metadata, and published data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from thalweg.tasks import registry
from thalweg.tasks.base import Base
from thalweg.tasks.waiting import either

_nothing: Any = object()


class Datasets(Base):
    """Keeps what all clients of the same workers share."""

    def set_metadata(self, key: Any, value: Any, *, asynchronous: bool | None = None) -> Any:
        """Keep a value under a key, or under a list of them, each in the one before.

        Examples
        --------
        >>> from thalweg.tasks import Client
        >>> with Client() as client:
        ...     client.set_metadata(["run", "seed"], 7)
        ...     client.get_metadata("run")
        {'seed': 7}
        """
        return self._keep(asynchronous, self._set_metadata, key, value)

    def _set_metadata(self, key: Any, value: Any) -> None:
        *path, last = key if isinstance(key, list) else [key]
        place = registry.shared(self._engine).metadata
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value

    def get_metadata(self, keys: Any, default: Any = _nothing, *, asynchronous: bool | None = None) -> Any:
        """Return the value under a key, or under a list of them.

        Raises
        ------
        KeyError
            There is none, and no default.
        """
        return self._keep(asynchronous, self._get_metadata, keys, default)

    def _get_metadata(self, keys: Any, default: Any) -> Any:
        value: Any = registry.shared(self._engine).metadata
        for step in keys if isinstance(keys, list) else [keys]:
            if not isinstance(value, dict) or step not in value:
                if default is _nothing:
                    raise KeyError(keys)
                return default
            value = value[step]
        return value

    def publish_dataset(
        self,
        *args: Any,
        name: Any = None,
        override: bool = False,
        asynchronous: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Keep futures, collections of Dask's or other values under names, until they are taken back.

        Raises
        ------
        KeyError
            There is a data set of that name, and it is not to be replaced.

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
        return self._keep(asynchronous, self._publish_dataset, kwargs, override)

    def _publish_dataset(self, values: dict[Any, Any], override: bool) -> None:
        datasets = registry.shared(self._engine).datasets
        for name in values:
            if name in datasets and not override:
                raise KeyError(f"there is a data set {name!r} already")
        datasets.update(values)

    def get_dataset(self, name: Any, default: Any = _nothing, *, asynchronous: bool | None = None) -> Any:
        """Return the data set of a name.

        Raises
        ------
        KeyError
            There is none, and no default.
        """
        return self._keep(asynchronous, self._get_dataset, name, default)

    def _get_dataset(self, name: Any, default: Any) -> Any:
        datasets = registry.shared(self._engine).datasets
        if name in datasets:
            return datasets[name]
        if default is _nothing:
            raise KeyError(f"there is no data set {name!r}")
        return default

    def list_datasets(self, *, asynchronous: bool | None = None) -> Any:
        """Return the names of all data sets."""
        return self._keep(asynchronous, lambda: list(registry.shared(self._engine).datasets))

    def unpublish_dataset(self, name: Any, *, asynchronous: bool | None = None) -> Any:
        """Keep the data set of a name no longer.

        Raises
        ------
        KeyError
            There is none.
        """
        return self._keep(asynchronous, self._unpublish_dataset, name)

    def _unpublish_dataset(self, name: Any) -> None:
        self._get_dataset(name, _nothing)
        del registry.shared(self._engine).datasets[name]

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
    """A client's data sets by their names."""

    def __init__(self, client: Datasets) -> None:
        self._client = client

    def __getitem__(self, name: Any) -> Any:
        return self._client._get_dataset(name, _nothing)

    def __setitem__(self, name: Any, value: Any) -> None:
        self._client._publish_dataset({name: value}, True)

    def __delitem__(self, name: Any) -> None:
        self._client._unpublish_dataset(name)

    def __iter__(self) -> Iterator[Any]:
        return iter(registry.shared(self._client._engine).datasets)

    def __len__(self) -> int:
        return len(registry.shared(self._client._engine).datasets)
