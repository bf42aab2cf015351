"""Entries of streams of Redis."""

from __future__ import annotations

from thalweg.sinks.redis_keys import RedisEntry, make_key
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.client_files import client_files

__all__ = ["RedisEntry", "from_redis_stream"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_redis_stream(AcknowledgingSource["RedisEntry"]):
    """Emit the entries of a Redis stream, as a member of a consumer group, created if it does not exist.

    Elements are :class:`~thalweg.sources.RedisEntry`. An entry is acknowledged once everything derived from it is done:
    acknowledged by the last sink, or dropped on purpose. An entry that fails without a policy to handle it is read
    again after `claim_after`, by any member; so are those of a dead member.

    A lost connection is a failure of this node, reported once; it reconnects with growing pauses of up to 30 s. A
    refused login or certificate, or a key of another type, ends the source.

    Parameters
    ----------
    url: str
        The server: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
    key: str
        The key of the stream.
    group: str
        The consumer group.
    from_latest: bool
        Whether a newly created group starts with entries added from now on, instead of the first one.
    claim_after: number or text
        Time after which an unacknowledged entry, of any reader of the group, is read again.
    consumer: str
        The name of this reader, unique among concurrent readers. Entries that a reader with the same name has not
        acknowledged are read first.
    max_waiting: int
        Maximum elements buffered for the pipeline; then nothing is read.
    wait: number or text
        Pause before the first reconnect. It doubles each time, up to 30 seconds.
    ca_certs: path
        Uses TLS, and verifies the server's certificate against this PEM file instead of the system's certificates.
    certfile, keyfile: path
        Uses TLS with this client certificate, and its key, if that is another file.

    Raises
    ------
    ValueError
        An argument is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> readings = Stream.from_redis_stream("redis://localhost", "readings", "averages")
    >>> L = readings.sink_to_list()
    >>> readings.start()  # doctest: +SKIP
    >>> readings.key
    'readings'

    See Also
    --------
    from_redis_list, to_redis_stream
    """

    def __init__(
        self,
        url: str,
        key: str,
        group: str,
        *,
        from_latest: bool = False,
        claim_after: Interval = 60,
        consumer: str = "thalweg",
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.key: str = key
        if not isinstance(group, str) or not group:
            raise ValueError(f"from_redis_stream: `group` is text that is not empty, not {group!r}")
        files = client_files(ca_certs, certfile, keyfile, "from_redis_stream")
        opened = make_key(
            "from_redis_stream",
            url,
            key,
            group=group,
            consumer=consumer,
            from_latest=from_latest,
            claim_after=claim_after,
            max_waiting=max_waiting,
            wait=wait,
            files=files,
        )
        self._elements, self._closer = opened.entries(RedisEntry)
        super().__init__(**kwargs)
