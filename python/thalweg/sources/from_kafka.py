"""Messages of Kafka topics."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sinks.kafka_messages import KafkaMessage
from thalweg.sources.kafka_source import KafkaSource
from thalweg.stream import Stream

__all__ = ["KafkaMessage", "from_kafka"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from thalweg._thalweg.sources import KafkaEnd, RustSource
    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_kafka(KafkaSource["bytes | KafkaMessage"]):
    """Emit the messages of Kafka topics, as a member of a consumer group, in order within each partition.

    An offset is committed once its message and all before it in its partition are done: acknowledged by the last sink,
    or dropped on purpose. A message that fails without a policy to handle it holds up the commits of its partition: the
    next source to start reads it again, with those after it. A drain commits finished messages and leaves the group.
    Reading uses real time, whatever the pipeline's clock.

    Parameters
    ----------
    topics: str or list of str
        Names of topics; one that begins with ``^`` is a regular expression for names.
    consumer_params: dict
        Options of librdkafka: at least ``bootstrap.servers`` and ``group.id``. ``auto.offset.reset`` says where a group
        without committed offsets starts: ``"earliest"``, or ``"latest"``, the default. ``enable.auto.commit`` can only
        be false: offsets are committed when their messages are done.
    poll_interval: number or text
        No effect, since messages are emitted as they arrive; accepted for programs written for streamz.
    messages: bool
        Whether to emit a :class:`KafkaMessage`, with key, headers, offset and so on, instead of the value. Messages
        without a value are emitted only in this form.
    until_end: bool
        Whether to end when all partitions have been read up to their end at the start.
    positions: Database
        A database that stores the positions of the partitions together with the rows that `to_sql` writes to it, so
        that nothing is lost or doubled by a kill. A partition without a position is read from its first message.
    transactions: KafkaTransactions
        Commits offsets in the transactions of the `to_kafka` with the same object: readers of committed messages see
        each message that it writes exactly once, however often the program is killed.
    max_messages, max_bytes: int
        Maximum messages, and bytes of messages, buffered for the pipeline; then the partitions are paused.
    commit_interval: number or text
        Interval between commits of offsets: seconds, or a duration such as ``"500ms"``.
    revoke_timeout: number or text
        How long a revoked partition waits for its messages in flight.
    overdue_after: number or text
        Time after which an unfinished message is reported as a failure of this node, once.

    Raises
    ------
    ValueError
        An option is missing or invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> params = {"bootstrap.servers": "localhost:9092", "group.id": "averages", "auto.offset.reset": "earliest"}
    >>> readings = Stream.from_kafka("readings", params)
    >>> L = readings.map(float).sink_to_list()
    >>> readings.start()  # doctest: +SKIP
    >>> readings.topics
    ['readings']

    See Also
    --------
    from_kafka_batched, to_kafka
    """

    def __init__(
        self,
        topics: str | Sequence[str],
        consumer_params: Mapping[str, Any],
        poll_interval: Interval = 0.1,
        *,
        messages: bool = False,
        **kwargs: Any,
    ) -> None:
        self.poll_interval: float = check_interval(poll_interval, "from_kafka", "poll_interval")
        self._whole = messages
        super().__init__(topics, consumer_params, **kwargs)

    def _make_source(self) -> tuple[RustSource, KafkaEnd]:
        return self._opened.messages(KafkaMessage if self._whole else None)
