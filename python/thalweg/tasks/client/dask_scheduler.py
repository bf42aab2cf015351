"""Dask's scheduler is the default client, whichever of them comes first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from thalweg._thalweg.tasks import is_worker
from thalweg.tasks.client import registry

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["serve_dask", "withdraw"]

_MODULE = "dask.base"

#: Names of schedulers in Dask that mean the default client.
_NAMES = ("distributed", "dask.distributed")


def serve_dask() -> None:
    """Let Dask compute its collections on the default client, from its import on."""
    if _MODULE in sys.modules:
        _serve()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Scheduler:
    """The scheduler in Dask's configuration: the default client at the time of a call.

    It does not hold the client: one without other references is to be closed.
    """

    def __call__(self, dsk: Any, keys: Any, **kwargs: Any) -> Any:
        client = _default_client()
        if client is None:
            from dask.threaded import get

            withdraw()
            return get(dsk, keys, **kwargs)
        return client.get(dsk, keys, asynchronous=False, **kwargs)

    def persist(self, collections: Any, **kwargs: Any) -> Any:
        """Compute collections, and return them with futures for chunks."""
        return registry.default_client().persist(collections, **kwargs)


_scheduler = _Scheduler()


def _serve() -> None:
    if not is_worker() and registry.latest_default() is None:
        # It has been closed before Dask was imported.
        return
    # Dask may be importing itself just now.
    from dask import config
    from dask.base import named_schedulers

    if config.get("scheduler", None) is None:
        config.set(scheduler=_scheduler)
    for name in _NAMES:
        named_schedulers.setdefault(name, _get_by_name)


def withdraw() -> None:
    """Let Dask compute its collections by itself again."""
    if _MODULE not in sys.modules or is_worker() or registry.latest_default() is not None:
        return
    from dask import config
    from dask.base import named_schedulers

    if config.get("scheduler", None) is _scheduler:
        config.set(scheduler=None)
    for name in _NAMES:
        if named_schedulers.get(name) is _get_by_name:
            del named_schedulers[name]


def _get_by_name(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    if (client := _default_client()) is not None:
        return client.get(dsk, keys, asynchronous=False, **kwargs)
    from dask.base import get_scheduler

    # Dask's own meaning of the name.
    withdraw()
    return get_scheduler(scheduler=_NAMES[0])(dsk, keys, **kwargs)


def _default_client() -> Any:
    try:
        return registry.default_client()
    except ValueError:
        return None


class _Finder:
    """Finds Dask's module where others find it, and gives it a loader that notes its import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((found for finder in others if (found := finder.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, finder: _Finder, loader: Any) -> None:
        self._finder, self._loader = finder, loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        # The module's own loader finds its source, for tracebacks and `inspect`.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        _serve()
