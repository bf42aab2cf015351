"""Entries of streams of Redis."""

from __future__ import annotations

from thalweg.sinks.redis_keys import RedisEntry, make_key
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.client_files import client_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_redis_stream(AcknowledgingSource["RedisEntry"]):
    """Emit the entries of a stream of Redis, as a member of a consumer group, which is made if there is none.

    Elements are :class:`~thalweg.sources.RedisEntry`. An entry is acknowledged once everything that was made of it is
    done: acknowledged by the last sink, or dropped on purpose. One that fails, and that no policy takes care of, is
    read again after `claim_after`, by any member; so are those of a member that has died.

    A connection that is lost is a failure of this node, once, and is made again with longer and longer pauses of up to
    30 s. A login or a certificate that is refused, or a key that holds something else, ends the source.

    Parameters
    ----------
    url: str
        The server: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
    key: str
        The key of the stream.
    group: str
        The consumer group.
    from_latest: bool
        Whether a group that is made here begins with what is written from then on, and not with the first entry.
    claim_after: number or text
        After how long an entry that was not acknowledged, by this reader or by another of the group, is read again.
    consumer: str
        The name of this reader. What a reader of the same name has not acknowledged is read first; of those that read
        at the same time each needs a name of its own.
    max_waiting: int
        The most elements that lie ready for the pipeline; then nothing is read.
    wait: number or text
        How long to wait before a server that cannot be reached is tried again. It doubles each time, up to 30 seconds.
    ca_certs: path
        Speaks TLS, and verifies the server's certificate by those of this PEM file instead of the system's.
    certfile, keyfile: path
        Speaks TLS, and shows the server this certificate, with its key, if that is another file.

    Raises
    ------
    ValueError
        An argument is wrong.

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
