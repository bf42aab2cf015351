"""Keys for pure calls."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from thalweg.tasks.client import tree


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, the prefix of keys.

    Examples
    --------
    >>> from functools import partial
    >>> from thalweg.tasks.client.tokenize import name_of
    >>> name_of(abs), name_of(partial(pow, 2)), name_of(lambda: 1)
    ('abs', 'pow', 'lambda')
    """
    inner = getattr(function, "func", function)
    return getattr(inner, "__name__", type(inner).__name__).strip("<>")


def key_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return a key that is the same for equal calls.

    Raises
    ------
    TypeError
        Calls cannot be compared, since an argument cannot be pickled.

    Examples
    --------
    >>> from thalweg.tasks.client.tokenize import key_of
    >>> key_of(pow, (2, 3), {}) == key_of(pow, (2, 3), {})
    True
    >>> key_of(pow, (2, 3), {}) == key_of(pow, (3, 2), {})
    False
    """
    return f"{name_of(function)}-{_digest(*_parts(function, args, kwargs))}"


def _parts(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    args = tree.replace(args, _stand_in)
    kwargs = tree.replace(kwargs, _stand_in)
    return function, args, sorted(kwargs.items())


def call_id(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    """Return a number that distinguishes calls with the same key; None if they cannot be compared.

    Examples
    --------
    >>> from thalweg.tasks.client.tokenize import call_id
    >>> call_id(pow, (2, 3), {}) == call_id(pow, (2, 3), {})
    True
    >>> call_id(pow, (2, 3), {}) == call_id(pow, (3, 2), {})
    False
    """
    if _is_global(function) and not kwargs and all(type(arg) in _PLAIN for arg in args):
        name = (function.__module__, function.__qualname__, getattr(function, "__code__", None))
        return hash((name, *zip(map(type, args), args, strict=True)))
    try:
        # Without determinism an equal call would seem to be another.
        digest = _digest(*_parts(function, args, kwargs), ensure_deterministic=True)
    except Exception:
        return None
    return int.from_bytes(blake2b(digest.encode(), digest_size=7).digest(), "big")


#: Types that are identified by their value alone.
_PLAIN = frozenset({str, int, float, bytes, bool, type(None)})


def _is_global(function: Any) -> bool:
    """Whether a function is importable by its name: nothing of it can differ."""
    name = getattr(function, "__qualname__", None)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return name is not None and getattr(module, name, None) is function


def _stand_in(future: Any) -> tuple[str, str]:
    return ("thalweg-future", future.key)


def _digest(*parts: Any, **options: bool) -> str:
    try:
        from dask.base import tokenize
    except ImportError:
        pass
    else:
        token: str = tokenize(*parts, **options)
        return token
    try:
        return blake2b(pickle.dumps(parts, protocol=5), digest_size=16).hexdigest()
    except Exception as error:
        raise TypeError(f"pure: the call can't be told from others, for it can't be pickled: {error}") from error
