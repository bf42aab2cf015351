"""Elements as messages of a Kafka topic."""

from __future__ import annotations

from thalweg.errors.missing_packages import need
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Metadata


@Stream.register_api()
class to_kafka(Stream):
    """Write elements, bytes or str, to a Kafka topic; send on each message's value once the broker has it.

    The emitter waits for that, and so does what the element acknowledges. A message that is not delivered is
    a failure of its element. Needs the package ``confluent-kafka``.

    Parameters
    ----------
    topic: str
    producer_config: dict
        For ``confluent_kafka.Producer``: at least ``bootstrap.servers``.
    on_error:
        See :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str).to_kafka("topic", {"bootstrap.servers": "localhost:9092"})  # doctest: +SKIP
    """

    #: Pause between two polls of the client while messages are in flight, in seconds.
    polltime: float = 0.02

    def __init__(self, upstream: Stream, topic: str, producer_config: dict[str, Any], **kwargs: Any) -> None:
        confluent_kafka = need("confluent_kafka", "kafka", "to_kafka")
        self.topic = topic
        self.producer: Any = confluent_kafka.Producer(producer_config)
        super().__init__(upstream, ensure_io_loop=True, **kwargs)

    async def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> None:
        """Write an element, and wait until it has been delivered."""
        import asyncio

        loop = asyncio.get_running_loop()
        delivery = loop.create_future()

        def report(error: Any, message: Any) -> None:
            # Called by whoever polls, on any thread.
            loop.call_soon_threadsafe(_report, delivery, error, message)

        while not self._produce(x, report):
            await asyncio.sleep(self.polltime)
        while not delivery.done():
            self.producer.poll(0)
            await asyncio.wait([delivery], timeout=self.polltime)
        for waiting in self._emit(delivery.result(), metadata):
            await waiting

    def _produce(self, x: Any, report: Any) -> bool:
        """Hand an element to the client; return whether it has room for it."""
        try:
            self.producer.produce(self.topic, x, callback=report)
        except BufferError:
            self.producer.poll(0)
            return False
        return True

    def flush(self, timeout: float = -1) -> Any:
        """Wait until everything has been delivered, for at most `timeout` seconds; return how much has not."""
        return self.producer.flush(timeout)

    def _drained(self) -> None:
        self.flush()


def _report(delivery: Any, error: Any, message: Any) -> None:
    if delivery.done():
        return
    error = error or message.error()
    if error is None:
        delivery.set_result(message.value())
    else:
        delivery.set_exception(error if isinstance(error, Exception) else RuntimeError(f"not delivered: {error}"))
