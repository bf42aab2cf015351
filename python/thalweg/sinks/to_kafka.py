"""Writing elements to a Kafka topic."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.kafka_messages import KafkaMessage, KafkaRecord, options
from thalweg.sinks.kafka_transactions import KafkaTransactions
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._types import Placement


@Stream.register_api()
class to_kafka(Stream["bytes | None"]):
    """Write elements to a Kafka topic, and emit each value once it is delivered.

    An element is bytes, text or a :class:`KafkaRecord`.

    Until delivery the emitter waits, except in `emit_many`, and the element is not acknowledged. A message that is not
    delivered is a failure of its element. Values are emitted in the order of the elements.

    Parameters
    ----------
    topic: str
        The name of the topic.
    producer_config: dict
        Options of librdkafka: at least ``bootstrap.servers``. ``enable.idempotence`` is true unless given: a retried
        message is written once, and order is kept.
    max_in_flight: int
        Maximum number of unconfirmed messages; then emitters wait.
    transactions: KafkaTransactions
        Writes in transactions, together with the offsets of the `from_kafka` with the same object. Elements that arrive
        meanwhile are grouped into one transaction, their emitters do not wait for it, and nothing is emitted.
    on_error:
        See :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An option is missing or invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str).to_kafka("readings", {"bootstrap.servers": "localhost:9092"})
    >>> source.emit(20.5)  # doctest: +SKIP

    See Also
    --------
    from_kafka
    """

    def __init__(
        self,
        upstream: Stream,
        topic: str,
        producer_config: Mapping[str, Any],
        *,
        max_in_flight: int = 10_000,
        transactions: KafkaTransactions | None = None,
        **kwargs: Any,
    ) -> None:
        self.topic = topic
        given = options(producer_config, "to_kafka", "producer_config")
        max_in_flight = check_count(max_in_flight, "to_kafka", "max_in_flight")
        if transactions is not None and not isinstance(transactions, KafkaTransactions):
            raise TypeError(f"to_kafka: `transactions` are KafkaTransactions, not {transactions!r}")
        self._in_transactions = None if transactions is None else (topic, given, max_in_flight, transactions._kept)
        self.producer: _thalweg.sources.KafkaProducer = _thalweg.sources.KafkaProducer(topic, given, max_in_flight)
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        if self._in_transactions is not None:
            _thalweg.sources.to_kafka_in_transactions(placement, *self._in_transactions, _take_apart)
        else:
            _thalweg.sources.to_kafka(placement, self.producer, _take_apart)

    def flush(self, timeout: float = -1) -> int:
        """Wait until all messages have been delivered, for at most `timeout` seconds; return how many have not."""
        return self.producer.flush(timeout)

    def _finish(self) -> None:
        self.flush(10)


def _take_apart(x: Any) -> tuple[Any, ...]:
    if isinstance(x, KafkaRecord):
        headers = x.headers.items() if hasattr(x.headers, "items") else x.headers
        return x.value, x.key, list(headers), x.partition, x.timestamp, x.topic
    if isinstance(x, KafkaMessage):
        return x.value, x.key, list(x.headers), None, None, None
    raise TypeError(f"to_kafka: an element is bytes, text, a KafkaRecord or a KafkaMessage, not {type(x).__name__}")
