"""Classes of nodes that are imported by their first use: a program uses a few of a hundred."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg.stream.registry import APIRegisterMixin


class Later:
    """A method of streams, until the class that is registered under its name has been imported.

    Parameters
    ----------
    owner: type
        The class that has the method.
    name: str
        The method's name.
    module: str
        The module that registers it.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.stream.later import Later
    >>> class Special(Stream):
    ...     pass
    >>> Special.map = Later(Special, "map", "thalweg.ops.map")
    """

    __slots__ = ("module", "name", "owner")

    def __init__(self, owner: type, name: str, module: str) -> None:
        self.owner = owner
        self.name = name
        self.module = module

    def __get__(self, stream: Any, cls: type) -> Any:
        import_module(self.module)
        # Not by `getattr`: a subclass may call this by `super` in a method of the same name.
        for base in self.owner.__mro__:
            method = vars(base).get(self.name)
            if method is not None and not isinstance(method, Later):
                return method.__get__(stream, cls)
        raise AttributeError(f"{self.name}: {self.module} is still being imported")


class _Package(ModuleType):
    """A package of modules with classes of their names."""

    _modules: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        module = self._modules.get(name)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self.__name__}.{module}"), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing `ops.map` makes the module `map` an attribute of its package, where the class belongs.
        if isinstance(value, ModuleType) and self._modules.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._modules})


def import_later(
    cls: type[APIRegisterMixin], package: str, methods: Mapping[str, str], others: Mapping[str, str]
) -> None:
    """Have modules of a package imported by the first use of what they contain.

    Parameters
    ----------
    cls: type
        The class `Stream`, which gets the methods.
    package: str
        The package's name.
    methods:
        For each class that its module registers as a method of streams, the module.
    others:
        The same for other names of the package.

    Examples
    --------
    >>> import sys
    >>> import thalweg
    >>> type(sys.modules["thalweg.sources"]).__name__
    '_Package'
    """
    module = sys.modules[package]
    vars(module)["_modules"] = {**methods, **others}
    module.__class__ = _Package
    later = {name: f"{package}.{of}" for name, of in methods.items()}
    cls._later = {**cls._later, **later}
    for name, of in later.items():
        setattr(cls, name, Later(cls, name, of))
