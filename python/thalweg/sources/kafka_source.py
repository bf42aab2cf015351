"""The base of sources that read from Kafka."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.database import check_database
from thalweg.runtime.intervals import check_interval
from thalweg.sinks.kafka_messages import options
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from thalweg._types import Interval
    from thalweg.database import Database
    from thalweg.sinks.kafka_transactions import KafkaTransactions


class KafkaSource(AcknowledgingSource[T]):
    """Base of the sources that read from Kafka."""

    _kind = "from_kafka"
    _max_partitions: int | None = None
    _closer: sources.KafkaEnd

    def __init__(
        self,
        topics: str | Sequence[str],
        consumer_params: Mapping[str, Any],
        *,
        until_end: bool = False,
        positions: Database | str | None = None,
        transactions: KafkaTransactions | None = None,
        max_messages: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        commit_interval: Interval = 1,
        revoke_timeout: Interval = 10,
        overdue_after: Interval = 60,
        **kwargs: Any,
    ) -> None:
        given_topics: Any = topics
        is_list = hasattr(topics, "__iter__") and not isinstance(topics, str)
        self.topics: list[str] = list(given_topics) if is_list else [given_topics]
        if not all(isinstance(name, str) for name in self.topics):
            raise TypeError(f"{type(self).__name__}: `topics` are a name or a list of names, not {topics!r}")
        kind = self._kind
        given = options(consumer_params, kind, "consumer_params")
        self.cpars: dict[str, Any] = dict(consumer_params)
        self._opened = sources.KafkaTopics(
            kind,
            self.topics,
            given,
            max_messages,
            max_bytes,
            check_interval(commit_interval, kind, "commit_interval"),
            check_interval(revoke_timeout, kind, "revoke_timeout"),
            check_interval(overdue_after, kind, "overdue_after"),
            until_end,
            self._max_partitions,
            None if positions is None else check_database(positions, kind),
            None if transactions is None else transactions._kept,
        )
        self._elements, self._closer = self._make_source()
        super().__init__(**kwargs)

    @property
    def started(self) -> bool:
        """Whether the source has started: a new group reads messages written from then on."""
        return self._closer.has_begun

    @started.setter
    def started(self, started: bool) -> None:
        # Set by callers of start, which is too early.
        pass

    def _make_source(self) -> tuple[sources.RustSource, sources.KafkaEnd]:
        raise NotImplementedError

    def _close_consumer(self) -> None:
        """Commit finished messages, leave the group, and stop reading."""
        self._closer.close()
