"""Nodes, sources and sinks of other packages, found by entry points."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from typing import Any, Protocol

    class _Registry(Protocol):
        def register_plugin_entry_point(self, entry_point: Any, modifier: Callable[[Any], Any] = ...) -> None: ...


#: Modifier for each group's classes. Sources are called on the class ``Stream``, without an upstream.
_MODIFIERS: dict[str, Callable[[Any], Any] | None] = {"sources": staticmethod, "nodes": None, "sinks": None}


def attach_plugins(cls: _Registry) -> None:
    """Attach the nodes, sources and sinks of other packages to `cls`, the class `Stream`.

    This happens at import: a metaclass could do it later, but classes with another metaclass, such as ``abc.ABC``,
    could not also derive from `Stream`.
    """
    if _may_have_plugins():
        load_plugins(cls)


def _may_have_plugins() -> bool:
    """Whether an installed package names one of our groups. This takes a tenth of the time of importing
    ``importlib.metadata``.
    """
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            # Entries that are not directories, such as archives, are not searched, and may contain anything.
            if os.path.isfile(directory):
                return True
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(directory, name, "entry_points.txt"), "rb") as file:
                        text = file.read()
                except OSError:
                    continue
                if b"streamz." in text or b"thalweg." in text:
                    return True
    return False


def load_plugins(cls: _Registry) -> None:
    """Register the plugins of installed packages as methods of `cls`.

    The groups are ``streamz.sources``, ``streamz.nodes`` and ``streamz.sinks``, for plugins written for streamz, and
    ``thalweg.sources``, ``thalweg.nodes`` and ``thalweg.sinks``. A plugin is imported by the first call of its method.
    A plugin whose name is taken is skipped with a warning; one that a package offers under both prefixes counts once.

    Parameters
    ----------
    cls
        The class that gets the methods, ``Stream``.

    Examples
    --------
    >>> from thalweg.stream.plugins import load_plugins
    >>> class Registry:
    ...     @classmethod
    ...     def register_plugin_entry_point(cls, entry_point, modifier=None):
    ...         print(entry_point.name)
    >>> load_plugins(Registry)
    """
    from importlib.metadata import entry_points

    found = entry_points()
    seen: set[tuple[str, str]] = set()
    for kind, modifier in _MODIFIERS.items():
        for prefix in ("thalweg", "streamz"):
            for entry_point in found.select(group=f"{prefix}.{kind}"):
                key = (entry_point.name, entry_point.value)
                if key not in seen:
                    seen.add(key)
                    try_register(cls, entry_point, modifier)


def try_register(cls: _Registry, entry_point: EntryPoint, modifier: Callable[[Any], Any] | None = None) -> None:
    """Register an entry point as a method of `cls`; warn if there is one of that name.

    Examples
    --------
    >>> import warnings
    >>> from importlib.metadata import EntryPoint
    >>> from thalweg import Stream
    >>> from thalweg.stream.plugins import try_register
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     try_register(Stream, EntryPoint("map", "of:another", "streamz.nodes"))
    >>> print(caught[0].message)
    the plugin 'map' of of:another is left out: Can't add map to Stream: duplicate method name.
    """
    try:
        if modifier is None:
            cls.register_plugin_entry_point(entry_point)
        else:
            cls.register_plugin_entry_point(entry_point, modifier)
    except ValueError as error:
        import warnings

        package = entry_point.dist.name if entry_point.dist is not None else entry_point.value
        warnings.warn(f"the plugin {entry_point.name!r} of {package} is left out: {error}", stacklevel=3)
