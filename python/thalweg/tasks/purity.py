"""Keys for calls that give the same result again."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from thalweg.tasks import nesting


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name as keys begin with it.

    Examples
    --------
    >>> from functools import partial
    >>> from thalweg.tasks.purity import name_of
    >>> name_of(abs), name_of(partial(pow, 2)), name_of(lambda: 1)
    ('abs', 'pow', 'lambda')
    """
    inner = getattr(function, "func", function)
    return getattr(inner, "__name__", type(inner).__name__).strip("<>")


def key_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return a key that is the same for the same call.

    Raises
    ------
    TypeError
        There is no telling what the same call is, for something in it can't be pickled.

    Examples
    --------
    >>> from thalweg.tasks.purity import key_of
    >>> key_of(pow, (2, 3), {}) == key_of(pow, (2, 3), {})
    True
    >>> key_of(pow, (2, 3), {}) == key_of(pow, (3, 2), {})
    False
    """
    args = nesting.replace(args, _stand_in)
    kwargs = nesting.replace(kwargs, _stand_in)
    return f"{name_of(function)}-{_digest(function, args, sorted(kwargs.items()))}"


def _stand_in(future: Any) -> tuple[str, str]:
    return ("thalweg-future", future.key)


def _digest(*parts: Any) -> str:
    try:
        from dask.base import tokenize
    except ImportError:
        pass
    else:
        token: str = tokenize(*parts)
        return token
    try:
        return blake2b(pickle.dumps(parts, protocol=5), digest_size=16).hexdigest()
    except Exception as error:
        raise TypeError(f"pure: the call can't be told from others, for it can't be pickled: {error}") from error
