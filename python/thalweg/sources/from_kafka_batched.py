"""Messages of Kafka topics, in batches."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sources.kafka_source import KafkaSource
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._thalweg.sources import KafkaEnd, RustSource
    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_kafka_batched(KafkaSource["list[Any]"]):
    """Emit the messages of a Kafka topic in lists, each from one partition.

    Every `poll_interval`, on the pipeline's clock, the new messages of each partition are emitted. A list is committed
    as a whole, when it and all before it in its partition are done; see :class:`from_kafka`.

    Parameters
    ----------
    topic: str
        The name of the topic.
    consumer_params: dict
        As those of :class:`from_kafka`.
    poll_interval: number or text
        Seconds, or a duration such as ``"500ms"``.
    npartitions: int
        Number of partitions to read, from the first one on; by default all.
    refresh_partitions: bool
        Whether to look for new partitions every `poll_interval`. Otherwise they are found when the client next
        refreshes its metadata: every five minutes, or as ``topic.metadata.refresh.interval.ms`` says.
    start: bool
        Whether to start at once; otherwise call :meth:`start`.
    dask: bool
        Whether to return a stream on an engine, as :meth:`scatter` does: lists are processed by the client's workers.
    max_batch_size: int
        Maximum messages per list.
    keys: bool
        Whether to emit dicts of ``"key"`` and ``"value"`` instead of values.
    engine: str
        ``None``; ``"cudf"`` is not supported.
    **kwargs:
        Those of :class:`from_kafka`.

    Raises
    ------
    ValueError
        An option is missing or invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> params = {"bootstrap.servers": "localhost:9092", "group.id": "averages"}
    >>> batches = Stream.from_kafka_batched("readings", params, poll_interval="2s")
    >>> L = batches.map(len).sink_to_list()
    >>> batches.start()  # doctest: +SKIP

    See Also
    --------
    from_kafka, to_kafka
    """

    _kind = "from_kafka_batched"

    def __new__(
        cls,
        topic: str,
        consumer_params: Mapping[str, Any],
        poll_interval: Interval = "1s",
        npartitions: int | None = None,
        refresh_partitions: bool = False,
        start: bool = False,
        dask: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Create the source, or a stream on an engine downstream of it."""
        if not dask:
            return super().__new__(cls)
        given = (topic, consumer_params, poll_interval, npartitions, refresh_partitions, False, False)
        scattered = cls(*given, *args, **kwargs).scatter()
        if start:
            scattered.start()
        return scattered

    def __init__(
        self,
        topic: str,
        consumer_params: Mapping[str, Any],
        poll_interval: Interval = "1s",
        npartitions: int | None = None,
        refresh_partitions: bool = False,
        start: bool = False,
        dask: bool = False,
        max_batch_size: int = 10_000,
        keys: bool = False,
        engine: str | None = None,
        **kwargs: Any,
    ) -> None:
        if npartitions is not None:
            npartitions = min(check_count(npartitions, "from_kafka_batched", "npartitions"), 2**31 - 1)
        max_batch_size = check_count(max_batch_size, "from_kafka_batched", "max_batch_size")
        if engine is not None:
            raise ValueError(f"from_kafka_batched: `engine` can only be None, not {engine!r}")
        self.poll_interval: float = check_interval(poll_interval, "from_kafka_batched", "poll_interval")
        self.max_batch_size = max_batch_size
        self._max_partitions = npartitions
        self.keys = keys
        if refresh_partitions:
            often = {"topic.metadata.refresh.interval.ms": max(1, round(self.poll_interval * 1000))}
            consumer_params = often | dict(consumer_params)
        super().__init__(topic, consumer_params, start=start, **kwargs)

    @property
    def upstream(self) -> Any:
        """The reader: streamz has a separate node for it, whose ``started`` and ``stopped`` programs use.

        Examples
        --------
        >>> from thalweg import Stream
        >>> params = {"bootstrap.servers": "localhost:9092", "group.id": "averages"}
        >>> Stream.from_kafka_batched("readings", params).upstream.started
        False
        """
        return _Reader(self)

    def _make_source(self) -> tuple[RustSource, KafkaEnd]:
        return self._opened.batches(_with_key if self.keys else None, self.poll_interval, self.max_batch_size)


class _Reader:
    """The part of a source that is a separate node in streamz."""

    upstream = None

    def __init__(self, source: from_kafka_batched) -> None:
        self._source = source

    @property
    def started(self) -> bool:
        return self._source.started

    @property
    def stopped(self) -> bool:
        return self._source.stopped

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._source.stopped = stopped

    @property
    def consumer(self) -> KafkaEnd:
        """An object with a method to close it."""
        return self._source._closer


def _with_key(value: bytes | None, key: bytes | None, *others: Any) -> dict[str, bytes | None]:
    return {"key": key, "value": value}
