"""Method calls as functions that can be pickled: streamz's module ``utils``."""

from __future__ import annotations

from typing import Any

__all__ = ["M", "MethodCache", "methodcaller"]


class methodcaller:
    """A function that calls a method of its first argument. There is one for each name.

    Examples
    --------
    >>> from thalweg.compat.streamz.method_calls import methodcaller
    >>> methodcaller("count")([1, 3, 3], 3)
    2
    """

    __slots__ = ("method",)
    _known: dict[str, methodcaller] = {}  # noqa: RUF012
    method: str

    def __new__(cls, method: str) -> methodcaller:
        """Return the one of that name."""
        known = cls._known.get(method)
        if known is None:
            known = super().__new__(cls)
            known.method = method
            cls._known[method] = known
        return known

    @property
    def func(self) -> str:
        """The method's name, where Dask looks for that of a function.

        Examples
        --------
        >>> from thalweg.compat.streamz.method_calls import methodcaller
        >>> methodcaller("sum").func
        'sum'
        """
        return self.method

    def __call__(self, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method of `obj`."""
        return getattr(obj, self.method)(*args, **kwargs)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return methodcaller, (self.method,)

    def __repr__(self) -> str:
        return f"<methodcaller: {self.method}>"


class MethodCache:
    """Gives a :class:`methodcaller` for each attribute that is asked for.

    Examples
    --------
    >>> from thalweg.compat.streamz.method_calls import M
    >>> M.upper("a")
    'A'
    """

    def __getattr__(self, name: str) -> methodcaller:
        return methodcaller(name)


M = MethodCache()
