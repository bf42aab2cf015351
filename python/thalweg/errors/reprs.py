"""Short texts for elements in messages: quick to make, and without passwords of URLs."""

from __future__ import annotations

import reprlib
from types import FunctionType
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The longest text, in characters.
LONGEST = 200


class _Short(reprlib.Repr):
    """Looks at a few parts of what is large; a ``repr`` of somebody else's is called only for what is small."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxlong = self.maxother = LONGEST
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxarray = 20
        self.maxdict = 10

    def repr1(self, x: Any, level: int) -> str:
        known = _KINDS.get(type(x))
        if known is not None:
            text: str = getattr(self, known)(x, level)
            return text
        return self.repr_instance(x, level)

    def repr_str(self, x: str, level: int) -> str:
        # The middle is cut before the text is made, not after.
        if len(x) > 2 * LONGEST:
            x = hide_passwords(x[: 10 * LONGEST])[:LONGEST] + hide_passwords(x[-10 * LONGEST :])[-LONGEST:]
        return super().repr_str(hide_passwords(x), level)

    def repr_bytes(self, x: bytes | bytearray, level: int) -> str:
        return _cut(repr(x[: 10 * LONGEST]))

    def repr_set(self, x: set[Any], level: int) -> str:
        return self._repr_some("set", x, level) if len(x) > self.maxset else super().repr_set(x, level)

    def repr_frozenset(self, x: frozenset[Any], level: int) -> str:
        return self._repr_some("frozenset", x, level) if len(x) > self.maxset else super().repr_frozenset(x, level)

    def _repr_some(self, kind: str, x: Any, level: int) -> str:
        # To sort it, as what is inherited does, takes as long as it is large.
        from itertools import islice

        some = ", ".join(self.repr1(each, level - 1) for each in islice(x, 5))
        return f"{kind}({{{some}, ...}})"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        from itertools import islice

        if level <= 0:
            return "{...}"
        some = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(x.items(), self.maxdict)
        ]
        if len(x) > self.maxdict:
            some.append("...")
        return "{" + ", ".join(some) + "}"

    def repr_int(self, x: int, level: int) -> str:
        # A number of many digits takes as long as the square of how many.
        bits = x.bit_length()
        return repr(x) if bits < 1000 else f"<int of {bits} bits>"

    def repr_exception(self, x: BaseException, level: int) -> str:
        arguments = ", ".join(self.repr1(each, level - 1) for each in x.args[:5])
        return f"{type(x).__name__}({arguments})"

    def repr_instance(self, x: Any, level: int) -> str:
        if isinstance(x, BaseException) and type(x).__repr__ is BaseException.__repr__:
            return self.repr_exception(x, level)
        if may_be_large(x):
            return _plain(x)
        try:
            if isinstance(type(x).__repr__, FunctionType) and not hasattr(type(x), "__dataclass_fields__"):
                return _call_briefly(x)
            return _cut(repr(x))
        except Exception:
            return _plain(x)


#: Longest time to wait for a ``repr`` that is written in Python, in seconds.
_PATIENCE = 0.1

#: Types whose ``repr`` took longer.
_slow: WeakSet[type] = WeakSet()


def _call_briefly(x: Any) -> str:
    """Call somebody's ``repr`` where nobody has to wait for it: it may sleep, ask a server, or wait for a lock."""
    if type(x) in _slow:
        return _plain(x)
    import threading

    made: list[str] = []

    def call() -> None:
        try:
            made.append(repr(x))
        except BaseException:
            made.append(_plain(x))

    thread = threading.Thread(target=call, name="thalweg-repr", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if not made:
        _slow.add(type(x))
        return _plain(x)
    return _cut(made[0])


def is_built_in(x: Any) -> bool:
    """Return whether `short` makes the text itself, without a ``repr`` of somebody else's.

    Examples
    --------
    >>> from thalweg.errors.reprs import is_built_in
    >>> is_built_in([1]), is_built_in(object())
    (True, False)
    """
    return type(x) in _KINDS


def may_be_large(x: Any) -> bool:
    """Whether its ``repr`` may take long, as far as can be told without calling it."""
    fields = getattr(type(x), "__dataclass_fields__", None)
    if fields is not None:
        return any(_is_large(getattr(x, name, None)) for name in fields)
    if isinstance(x, (str, bytes, bytearray, list, tuple, set, frozenset, dict)):
        return _is_large(x)
    nbytes = getattr(x, "nbytes", 0)
    # What arrays and frames show of themselves is short anyway; what is huge is not asked.
    return isinstance(nbytes, int) and nbytes > _LARGE


#: So many bytes or elements are large.
_LARGE = 10_000


def _is_large(x: Any, depth: int = 3) -> bool:
    try:
        length = len(x)
    except Exception:
        return False
    if length > _LARGE:
        return True
    if depth == 0 or isinstance(x, (str, bytes, bytearray)):
        return False
    if isinstance(x, dict):
        return any(_is_large(each, depth - 1) for each in [*x.values()][:100])
    if isinstance(x, (list, tuple, set, frozenset)):
        return length > 100 or any(_is_large(each, depth - 1) for each in x)
    return False


def _plain(x: Any) -> str:
    text = f"<{type(x).__module__}.{type(x).__qualname__} object at {id(x):#x}>"
    return _cut(text)


def _cut(text: str) -> str:
    text = hide_passwords(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def hide_passwords(text: str) -> str:
    """Return a text with the passwords of URLs in it replaced: messages go to logs.

    Examples
    --------
    >>> from thalweg.errors.reprs import hide_passwords
    >>> hide_passwords("('ftp://me:secret@localhost/a', 'http://localhost:80/@b')")
    "('ftp://me:***@localhost/a', 'http://localhost:80/@b')"
    """
    before, *rest = text.split("://")
    return "://".join([before, *map(_hide_password, rest)])


def _hide_password(text: str) -> str:
    """Hide the password in what follows the scheme of a URL."""
    end = next((place for place, char in enumerate(text) if char.isspace() or char in "/?#'\""), len(text))
    login, _, host = text[:end].rpartition("@")
    user, _, password = login.partition(":")
    if not password or "@" in user:
        return text
    return f"{user}:***@{host}{text[end:]}"


_KINDS = {
    str: "repr_str",
    bytes: "repr_bytes",
    bytearray: "repr_bytes",
    int: "repr_int",
    list: "repr_list",
    tuple: "repr_tuple",
    set: "repr_set",
    frozenset: "repr_frozenset",
    dict: "repr_dict",
}

_short = _Short()


def short(x: Any) -> str:
    """Return what `x` is in at most 200 characters.

    Examples
    --------
    >>> from thalweg.errors.reprs import short
    >>> class Broken:
    ...     def __repr__(self):
    ...         raise ValueError
    >>> short([1, "a"]), "Broken object at" in short(Broken())
    ("[1, 'a']", True)
    >>> short({"url": "http://me:secret@localhost/"})
    "{'url': 'http://me:***@localhost/'}"
    """
    try:
        return _cut(_short.repr(x))
    except Exception:
        return _plain(x)
