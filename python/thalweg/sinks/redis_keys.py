"""Keys and entries of Redis, for sources and sinks."""

from __future__ import annotations

from collections import namedtuple

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import ClientFiles, Interval

_ENTRY = namedtuple("_ENTRY", ("id", "fields"))


class RedisEntry(_ENTRY):
    """An entry of a stream of Redis.

    Examples
    --------
    >>> from thalweg.sources import RedisEntry
    >>> entry = RedisEntry("7-0", {"value": b"20.5"})
    >>> entry.id, entry.fields["value"]
    ('7-0', b'20.5')
    """

    __slots__ = ()

    if TYPE_CHECKING:
        #: Increases from entry to entry.
        id: str
        fields: dict[str, bytes]


def make_key(
    operator: str,
    url: str,
    key: str,
    *,
    group: str | None = None,
    consumer: str = "thalweg",
    from_latest: bool = False,
    claim_after: Interval = 60,
    max_waiting: int = 1024,
    max_len: int | None = None,
    retries: int = 10,
    wait: Interval = "100ms",
    files: ClientFiles = (None, None),
) -> sources.RedisKey:
    """Return a key of a server; raise an error that names the operator if an argument is invalid.

    Examples
    --------
    >>> from thalweg.sinks.redis_keys import make_key
    >>> make_key("to_redis_list", "http://localhost", "words")
    Traceback (most recent call last):
    ValueError: to_redis_list: Redis at localhost: the URL is not a Redis URL: give `redis://user:password@host:port/database`
    """
    for name, text in [("url", url), ("key", key), ("consumer", consumer)]:
        if not isinstance(text, str) or not text:
            raise ValueError(f"{operator}: `{name}` is text that is not empty, not {text!r}")
    if type(retries) is not int or not 0 <= retries < 2**32:
        raise ValueError(f"{operator}: `retries` is a number from 0 on, not {retries!r}")
    if max_len is not None:
        max_len = check_count(max_len, operator, "max_len")
    try:
        return sources.RedisKey(
            url,
            key,
            group,
            consumer,
            bool(from_latest),
            check_interval(claim_after, operator, "claim_after"),
            check_count(max_waiting, operator, "max_waiting"),
            max_len,
            retries,
            check_interval(wait, operator, "wait"),
            files,
        )
    except ValueError as error:
        if str(error).startswith(operator):
            raise
        raise ValueError(f"{operator}: {error}") from None
