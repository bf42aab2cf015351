"""Exactly once from Kafka to Kafka."""

from __future__ import annotations

from thalweg._thalweg import sources


class KafkaTransactions:
    """Joins a `from_kafka` and a `to_kafka`: what is written and the offsets that were read are committed together.

    A reader of committed messages, as librdkafka is unless ``isolation.level`` says otherwise, finds each message
    exactly once, however often the program is killed. The functions between the two have to make the same of an element
    each time it is read.

    Parameters
    ----------
    id: str
        Tells this program from others that write at the same time. It has to be the same when the program is started
        again: then the brokers give up at once what it has left behind, for which readers wait otherwise.

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
