"""Exactly once from Kafka to Kafka."""

from __future__ import annotations

from thalweg._thalweg import sources

__all__ = ["KafkaTransactions"]


class KafkaTransactions:
    """Connects a `from_kafka` and a `to_kafka`: messages and offsets are committed in one transaction.

    Readers of committed messages (the default ``isolation.level`` of librdkafka) see each message exactly once, however
    often the program is killed. The functions between source and sink must yield the same results for an element each
    time it is read.

    Parameters
    ----------
    id: str
        Transactional id, unique among programs that write at the same time, and unchanged after a restart: then the
        brokers abort the unfinished transaction of the former run at once, for which readers would wait otherwise.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.sinks import KafkaTransactions
    >>> transactions = KafkaTransactions("averages-1")
    >>> params = {"bootstrap.servers": "localhost:9092", "group.id": "averages"}
    >>> readings = Stream.from_kafka("readings", params, transactions=transactions)
    >>> node = readings.to_kafka("copies", {"bootstrap.servers": "localhost:9092"}, transactions=transactions)
    >>> readings.start()  # doctest: +SKIP
    """

    def __init__(self, id: str) -> None:
        if not isinstance(id, str) or not id:
            raise ValueError(f"KafkaTransactions: `id` is text that is not empty, not {id!r}")
        self._kept = sources.KafkaTransactions(id)
        self.id = id

    def __repr__(self) -> str:
        return f"KafkaTransactions({self.id!r})"
