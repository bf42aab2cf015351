"""Aliases: programs that import another package by its name get thalweg instead."""

from __future__ import annotations

import sys

from thalweg import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_US = "thalweg"

#: Modules of streamz, and where their contents are here. They can be imported under thalweg's name too, so that a
#: program has to change its imports in one place only.
FORMER_MODULES = {
    "thalweg.batch": "thalweg.collections.batch",
    "thalweg.collection": "thalweg.collections.streaming",
    "thalweg.core": "thalweg.compat.streamz.core",
    "thalweg.dataframe.core": "thalweg.compat.streamz.frames",
    "thalweg.dataframe.utils": "thalweg.dataframe.kinds",
    "thalweg.dask": "thalweg.compat.streamz.dask",
    "thalweg.graph": "thalweg.view.graph",
    "thalweg.orderedweakset": "thalweg.compat.streamz.orderedweakset",
    "thalweg.plugins": "thalweg.stream.plugins",
    "thalweg.river": "thalweg.compat.streamz.river",
    "thalweg.utils": "thalweg.compat.streamz.method_calls",
    "thalweg.utils_test": "thalweg.compat.streamz.testing",
    "thalweg.compat.rapidz.batch": "thalweg.collections.batch",
    "thalweg.compat.rapidz.collection": "thalweg.collections.streaming",
    "thalweg.compat.rapidz.dask": "thalweg.compat.streamz.dask",
    "thalweg.compat.rapidz.dataframe": "thalweg.dataframe",
    "thalweg.compat.rapidz.graph": "thalweg.view.graph",
    "thalweg.compat.rapidz.orderedweakset": "thalweg.compat.streamz.orderedweakset",
    "thalweg.compat.rapidz.utils": "thalweg.compat.streamz.method_calls",
    "thalweg.compat.rapidz.utils_test": "thalweg.compat.streamz.testing",
}

#: Targets of names that are not the package itself.
_SPECIAL = {
    "distributed": "thalweg.distributed",
    "dask.distributed": "thalweg.distributed",
    "rapidz": "thalweg.compat.rapidz",
}

#: Names installed together: two spellings of one package.
_TOGETHER = {"distributed": ("dask.distributed",)}


def install_as(*names: str) -> None:
    """Make imports of other packages resolve to thalweg, in this process, from now on.

    After ``install_as("streamz")`` every import of ``streamz`` or of one of its modules finds the module of the same
    name in thalweg: the same object, so that ``streamz.core.Stream is thalweg.core.Stream``. Under the name ``rapidz``,
    rapidz's defaults apply where they differ. Repeating the call has no effect.

    Parameters
    ----------
    *names
        The packages to replace, such as ``"streamz"`` and ``"rapidz"``.

    Raises
    ------
    ImportError
        A package of that name has been imported already: names imported from it would stay, and both packages would
        meet in one program. Call this first. Nothing is installed then.
    ValueError
        A name cannot be imported, or is thalweg's own.

    Examples
    --------
    >>> import thalweg
    >>> from thalweg import install_as
    >>> install_as("streamz")
    >>> import streamz
    >>> streamz is thalweg
    True
    """
    names = tuple(each for name in names for each in (name, *_TOGETHER.get(name, ())))
    for name in names:
        _check(name)
    finder = _finder()
    for name in names:
        finder.targets[name] = _SPECIAL.get(name, _US)
        if name in ("streamz", "rapidz"):
            # Programs may listen to that logger.
            errors.logger_name = name
            errors.stands_for.add(name)
            frames = sys.modules.get("thalweg.dataframe")
            if frames is not None:
                frames.take_name()


def _finder() -> _AliasFinder:
    """The finder of this process, placed before those that would find another package's files."""
    for finder in sys.meta_path:
        if isinstance(finder, _AliasFinder):
            return finder
    finder = _AliasFinder()
    finder.targets.update(FORMER_MODULES)
    sys.meta_path.insert(0, finder)
    return finder


def _check(name: str) -> None:
    if not all(part.isidentifier() for part in str(name).split(".")):
        raise ValueError(f"{name!r} is not the name of a package")
    if name == _US or name.startswith(_US + "."):
        raise ValueError(f"{name!r} is thalweg itself and needs no other name")
    present = sys.modules.get(name)
    if present is not None and not _is_ours(present):
        where = getattr(present, "__file__", None) or "somewhere else"
        raise ImportError(
            f"{name!r} has been imported already, from {where}; call install_as({name!r}) before anything imports it",
            name=name,
        )


def _is_ours(module: ModuleType) -> bool:
    name = module.__name__
    return name == _US or name.startswith(_US + ".")


class _AliasFinder:
    """Finds, under the replaced names, modules of ours, and loads them."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        ours = self._ours(fullname)
        if ours is None:
            return self._parent(fullname, path)
        from importlib.machinery import ModuleSpec
        from importlib.util import find_spec

        try:
            found = find_spec(ours)
        except ModuleNotFoundError as error:
            if not _is_part_of(ours, error.name):
                raise
            found = None
        if found is None:
            raise ModuleNotFoundError(
                f"there is no module {fullname!r}: {fullname.partition('.')[0]!r} stands for thalweg here, "
                f"and thalweg has no {ours!r}",
                name=fullname,
            )
        spec = ModuleSpec(fullname, self, origin=found.origin, is_package=found.submodule_search_locations is not None)  # type: ignore[arg-type]
        spec.loader_state = ours
        return spec

    def _parent(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Find an empty package for a submodule of a package that does not exist."""
        if not any(name.startswith(fullname + ".") for name in self.targets):
            return None
        from importlib.machinery import ModuleSpec, PathFinder

        return None if PathFinder.find_spec(fullname, path) else ModuleSpec(fullname, None, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from importlib import import_module

        module = import_module(spec.loader_state)
        # The import system is about to overwrite the module's spec, which is the right one.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Executed already under its own name. Restores its spec.
        spec = module.__spec__
        if spec is not None and spec.name != module.__name__:
            module.__spec__ = spec.loader_state

    def _ours(self, fullname: str) -> str | None:
        name = fullname
        while name:
            if name in self.targets:
                return self.targets[name] + fullname[len(name) :]
            name = name.rpartition(".")[0]
        return None


def _is_part_of(module: str, name: str | None) -> bool:
    return name is not None and (module == name or module.startswith(name + "."))


_finder()
