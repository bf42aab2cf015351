"""Registration of classes as methods of streams."""

from __future__ import annotations

import sys
from importlib import import_module

from thalweg.stream.later import Later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from typing import Any, ClassVar, TypeVar

    T = TypeVar("T")


def identity(x: T) -> T:
    """Return `x`.

    Examples
    --------
    >>> from thalweg.core import identity
    >>> identity(1)
    1
    """
    return x


def _name_of(function: Any) -> str:
    """The name of a callable, also of one in a ``partial``."""
    while not hasattr(function, "__name__"):
        inner = getattr(function, "func", None)
        if inner is None:
            raise TypeError(f"register_api: `attribute_name` says what to call {function!r}, which has no name")
        function = inner
    name: str = function.__name__
    return name


def _all_attributes(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in base.__dict__}


def _method_on_engine(args: tuple[Any, ...], name: str) -> Callable[..., Any] | None:
    """The method of streams on an engine, if a plain stream is joined with one.

    Such a join is on the engine, whichever of them comes first.
    """
    # Before this has been imported, no stream is on an engine.
    module = sys.modules.get("thalweg.parallel.stream")
    if module is None:
        return None
    kind = module.ParallelStream
    if isinstance(args[0], kind) or not any(isinstance(arg, kind) for arg in args[1:]):
        return None
    method: Callable[..., Any] = getattr(kind, name)
    return method


class APIRegisterMixin:
    """Mixin that attaches classes to a class of streams as methods.

    Examples
    --------
    >>> from thalweg import APIRegisterMixin, Stream
    >>> issubclass(Stream, APIRegisterMixin)
    True
    """

    #: Registered methods by name: callables, and their modifiers.
    _operators: ClassVar[dict[str, tuple[Any, Callable[[Any], Any]]]]

    #: Methods whose classes are imported by their first use, and the modules of those.
    _later: ClassVar[dict[str, str]] = {}

    #: Called with each new registration.
    _adopters: ClassVar[list[Callable[[str, Any, Callable[[Any], Any]], None]]]

    @classmethod
    def register_api(
        cls, modifier: Callable[[Any], Any] = identity, attribute_name: str | None = None
    ) -> Callable[[T], T]:
        """Attach a callable, usually a class, to this class as a method.

        Parameters
        ----------
        modifier:
            Applied before attaching; ``staticmethod`` for sources.
        attribute_name:
            The method's name; by default that of the callable.

        Examples
        --------
        >>> from thalweg import Stream
        >>> @Stream.register_api()
        ... class twice(Stream):
        ...     def update(self, x, who=None, metadata=None):
        ...         return self._emit(x, metadata) + self._emit(x, metadata)
        >>> source = Stream()
        >>> L = source.twice().sink_to_list()
        >>> source.emit(1)
        >>> L
        [1, 1]
        """

        def register(func: Any) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                dialect = getattr(args[0], "_dialect", None) if args else None
                if dialect is not None and name in dialect:
                    args, kwargs = dialect[name](*args, **kwargs)
                method = _method_on_engine(args, name) if len(args) > 1 else None
                if method is None or method is wrapped:
                    method = func
                return method(*args, **kwargs)

            name = attribute_name or _name_of(func)
            # As functools.wraps, whose import takes longer than all of this.
            for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
                if hasattr(func, attribute):
                    setattr(wrapped, attribute, getattr(func, attribute))
            wrapped.__wrapped__ = func  # type: ignore[attr-defined]
            if cls._makes_way(name, func):
                setattr(cls, name, modifier(wrapped))
            cls._registered(name, func, modifier)
            return func

        return register

    @classmethod
    def _makes_way(cls, name: str, func: Any) -> bool:
        """Whether a callable takes the place of the attribute of its name: always, but for a class that is imported
        after a program has set that attribute.
        """
        existing, module = cls.__dict__.get(name), getattr(func, "__module__", None)
        if isinstance(existing, Later):
            if existing.module != module:
                # Now, lest it take this place afterwards.
                import_module(existing.module)
            return True
        return existing is None or cls._later.get(name, "") != module

    @classmethod
    def _registered(cls, name: str, func: Any, modifier: Callable[[Any], Any]) -> None:
        """Record an attached callable, where the class keeps records."""
        if "_operators" in cls.__dict__:
            cls._operators[name] = func, modifier
            for adopt in cls._adopters:
                adopt(name, func, modifier)

    @classmethod
    def register_plugin_entry_point(cls, entry_point: EntryPoint, modifier: Callable[[Any], Any] = identity) -> None:
        """Attach a class named by an entry point. The first call loads it.

        Raises
        ------
        ValueError
            There is a method of that name.

        Examples
        --------
        >>> from importlib.metadata import EntryPoint
        >>> from thalweg import Stream
        >>> class Special(Stream):
        ...     pass
        >>> Special.register_plugin_entry_point(EntryPoint("mapped", "thalweg.core:map", "thalweg.nodes"))
        >>> source = Special()
        >>> L = source.mapped(str).sink_to_list()
        >>> source.emit(1)
        >>> L
        ['1']
        """
        if entry_point.name in _all_attributes(cls):
            raise ValueError(f"Can't add {entry_point.name} to {cls.__name__}: duplicate method name.")

        def stub(*args: Any, **kwargs: Any) -> Any:
            """Load the plugin."""
            node = entry_point.load()
            if not (isinstance(node, type) and issubclass(node, APIRegisterMixin)):
                raise TypeError(f"Error loading {entry_point.name}: {node!r} must be a subclass of Stream")
            if getattr(cls, entry_point.name).__name__ == "stub":
                cls.register_api(modifier=modifier, attribute_name=entry_point.name)(node)
            if args and isinstance(args[0], APIRegisterMixin):
                # On an engine another class provides the method.
                return getattr(args[0], entry_point.name)(*args[1:], **kwargs)
            return node(*args, **kwargs)

        cls.register_api(modifier=modifier, attribute_name=entry_point.name)(stub)
