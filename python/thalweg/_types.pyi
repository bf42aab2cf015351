"""Types that are for annotations only: there is no such module when a program runs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, type_check_only

from thalweg.errors import Retry
from thalweg.stream import Stream

#: A duration: seconds, or text such as `"500ms"`.
Interval: TypeAlias = float | str | timedelta

#: Policy for elements that a function fails on; None is `"raise"`.
OnError: TypeAlias = Literal["raise", "skip"] | Retry | Stream | None

#: Files of a TLS client: the authorities of servers, and its own certificate with its key.
ClientFiles: TypeAlias = tuple[str | None, tuple[str, str] | None]

#: Where an operator goes: a new node, with its upstreams, name, policy, and whether a subclass overrides `update`; or a
#: running one, and whether it keeps its state.
Placement: TypeAlias = tuple[Stream, list[Any], str, OnError, bool] | tuple[Stream, bool]

#: A user's function.
Function: TypeAlias = Callable[..., Any]

#: Metadata of an element.
Metadata: TypeAlias = list[dict[str, Any]] | None

#: Which of several elements with the same key is kept.
Keep: TypeAlias = Literal["first", "last"]

#: How a remote file is split.
RecordFormat: TypeAlias = Literal["chunks", "lines", "jsonl", "csv", "length_prefixed", "parquet"]

_T_co = TypeVar("_T_co", covariant=True)

@type_check_only
class Emits(Protocol[_T_co]):
    """A stream of elements of a type, or of others that are of this type too."""

    @property
    def current_value(self) -> _T_co: ...

@type_check_only
class EventLoop(Protocol):
    """Common interface of the event loops of asyncio, of Tornado, and of a virtual clock."""

    def time(self) -> float: ...
