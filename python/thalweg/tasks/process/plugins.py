"""The part of the client that gives files and plugins to workers, including their replacements."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

from thalweg.tasks.client import registry
from thalweg.tasks.client.base import Base
from thalweg.tasks.client.coroutines import awaited

__all__ = ["Plugins", "WorkerPlugin", "begin"]

#: Suffix of files with plugins, in the directory that workers read when they start.
_ENDING = ".thalweg-plugin"


class WorkerPlugin:
    """Sets something up on each worker, for example a connection.

    Examples
    --------
    >>> from thalweg.tasks import Client, get_worker
    >>> from thalweg.tasks.process.plugins import WorkerPlugin
    >>> class Connection(WorkerPlugin):
    ...     def setup(self, worker):
    ...         worker.connection = "open"
    >>> with Client() as client:
    ...     registered = client.register_plugin(Connection())
    ...     client.submit(lambda: get_worker().connection).result()
    'open'
    """

    def setup(self, worker: Any) -> None:
        """Called on a worker before it takes tasks."""

    def teardown(self, worker: Any) -> None:
        """Called when the plugin is removed."""


class Plugins(Base):
    """Registers plugins, and sends files."""

    def register_plugin(
        self, plugin: Any, name: str | None = None, idempotent: bool = False, *, asynchronous: bool | None = None
    ) -> Any:
        """Call ``plugin.setup(worker)`` on all workers, including later replacements, and return the results.

        Parameters
        ----------
        plugin
            A `WorkerPlugin`, or an object with its methods.
        name
            A name by which it can be removed; None for its attribute ``name``, or a new one. A plugin with that name is
            replaced.
        idempotent
            Whether to do nothing if there is a plugin with that name.

        Raises
        ------
        TypeError
            It is not a plugin for workers.
        """
        if not callable(getattr(plugin, "setup", None)):
            raise TypeError(f"register_plugin: a plugin with a method `setup`, and not {plugin!r}")
        if callable(getattr(plugin, "transition", None)) and type(plugin).__module__.split(".")[0] != "distributed":
            raise TypeError("register_plugin: nothing calls `transition`: workers do not tell of each state of a task")
        name = name or getattr(plugin, "name", None) or f"{type(plugin).__name__}-{uuid4().hex}"
        known = registry.shared(self._engine).plugins
        if name in known and idempotent:
            return self.run(_nothing, asynchronous=asynchronous)
        known[name] = plugin
        if self._engine.kind == "processes":
            from thalweg.tasks.process.worker_requests import dumps

            (_workspace(self._engine) / _file_of(name)).write_bytes(dumps((name, plugin)))
        return self.run(partial(_set_up, name, plugin), asynchronous=asynchronous)

    register_worker_plugin = register_plugin

    def _set_up_plugins(self) -> None:
        """Set the plugins up again, on workers that are new. Processes do it when they start."""
        if self._engine.kind != "processes":
            for name, plugin in list(registry.shared(self._engine).plugins.items()):
                self.run(partial(_set_up, name, plugin), asynchronous=False)

    def unregister_worker_plugin(self, name: str, *, asynchronous: bool | None = None) -> Any:
        """Remove a plugin, and call its `teardown` on all workers.

        Raises
        ------
        ValueError
            There is none with that name.
        """
        if registry.shared(self._engine).plugins.pop(name, None) is None:
            raise ValueError(f"unregister_worker_plugin: there is no plugin {name!r}")
        if self._engine.kind == "processes":
            (_workspace(self._engine) / _file_of(name)).unlink(missing_ok=True)
        return self.run(partial(_tear_down, name), asynchronous=asynchronous)

    unregister_plugin = unregister_worker_plugin

    def register_worker_callbacks(self, setup: Callable[..., Any] | None = None) -> Any:
        """Call a function on all workers, including later replacements. It may take an argument ``dask_worker``.

        Examples
        --------
        >>> from thalweg.tasks import Client, get_worker
        >>> def prepare(dask_worker):
        ...     dask_worker.ready = True
        >>> with Client() as client:
        ...     called = client.register_worker_callbacks(prepare)
        ...     client.submit(lambda: get_worker().ready).result()
        True
        """
        if not callable(setup):
            raise TypeError(f"register_worker_callbacks: a function to call, and not {setup!r}")
        return self.register_plugin(_Callback(setup))

    def upload_file(self, filename: str | os.PathLike[str], load: bool = True) -> Any:
        """Copy a module or an archive to where all workers import from.

        Parameters
        ----------
        filename
            A ``.py`` file, or a ``.zip`` or ``.egg`` archive of modules. Other files are copied, for tasks to find by
            ``get_worker().local_directory``.
        load
            Whether to import a module, or those of an archive, at once, again if they have been imported before.

        Raises
        ------
        FileNotFoundError
            The file does not exist.
        """
        source = Path(filename)
        target = _workspace(self._engine) / source.name
        # Becomes visible complete or not at all.
        part = target.with_name(f"{target.name}.{uuid4().hex}")
        shutil.copyfile(source, part)
        part.replace(target)
        if target.suffix in (".zip", ".egg"):
            (target.parent / f"{target.name}.pth").write_text(f"{target}\n")
        return self.run(_take_file, str(target), load)


class _Callback(WorkerPlugin):
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def setup(self, worker: Any) -> Any:
        from thalweg.tasks.client.inspection import takes_worker

        return self._function(dask_worker=worker) if takes_worker(self._function) else self._function()


def _workspace(engine: Any) -> Path:
    """The directory shared by an engine's workers. It is removed with the engine."""
    path = Path(registry.shared(engine).workspace)
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(path):
        raise PermissionError(f"the directory {path} belongs to somebody else")
    return path


def _is_ours(path: Path) -> bool:
    """Whether nobody else can have written to it."""
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def _file_of(name: str) -> str:
    return blake2b(name.encode(), digest_size=16).hexdigest() + _ENDING


def _nothing() -> None:
    """Wait as long as a worker may take to answer."""


def _set_up(name: str, plugin: Any) -> Any:
    from thalweg.tasks.process.context import get_worker

    worker = get_worker()
    _tear_down(name)
    worker.plugins[name] = plugin
    return awaited(plugin.setup(worker=worker))


def _tear_down(name: str) -> Any:
    from thalweg.tasks.process.context import get_worker

    worker = get_worker()
    plugin = worker.plugins.pop(name, None)
    if callable(getattr(plugin, "teardown", None)):
        return awaited(plugin.teardown(worker=worker))
    return None


def _take_file(path: str, load: bool) -> None:
    import importlib

    file = Path(path)
    for place in (str(file.parent), *([path] if file.suffix in (".zip", ".egg") else [])):
        if place not in sys.path:
            sys.path.insert(0, place)
    importlib.invalidate_caches()
    if not load:
        return
    names = []
    if file.suffix == ".py":
        # Two versions within a second have the same time stamp, and would share bytecode.
        shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
        names = [file.stem]
    elif file.suffix in (".zip", ".egg"):
        names = _modules_in(path)
    for name in names:
        module = sys.modules.get(name)
        if module is None:
            importlib.import_module(name)
        else:
            importlib.reload(module)


def _modules_in(archive: str) -> list[str]:
    """Return the names of the modules in an archive. On Python 3.13, `pkgutil` does not see that it has changed."""
    from zipfile import ZipFile

    names = set()
    with ZipFile(archive) as opened:
        for name in opened.namelist():
            first, _, rest = name.partition("/")
            if rest in ("__init__.py", "__init__.pyc"):
                names.add(first)
            elif not rest and first.endswith((".py", ".pyc")):
                names.add(first.rpartition(".")[0])
    return sorted(names)


def begin(workspace: str) -> None:
    """Apply requests for all workers in a new one: look for modules, and set up plugins."""
    if not _is_ours(Path(workspace)):
        return
    import site

    sys.path.insert(0, workspace)
    site.addsitedir(workspace)
    from thalweg.tasks.process.engine_proxy import engine
    from thalweg.tasks.process.this_worker import Worker

    worker = registry.shared(engine()).worker = Worker(engine())  # type: ignore[arg-type]
    for file in sorted(Path(workspace).glob(f"*{_ENDING}")):
        try:
            name, plugin = pickle.loads(file.read_bytes())
            worker.plugins[name] = plugin
            awaited(plugin.setup(worker=worker))
        except Exception:
            # The worker works without it, and a task that needs it sees why it is missing.
            traceback.print_exc()
