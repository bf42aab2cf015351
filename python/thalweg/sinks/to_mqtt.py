"""Elements as messages of an MQTT topic."""

from __future__ import annotations

from thalweg.errors.missing_packages import need
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Metadata


@Stream.register_api()
class to_mqtt(Sink):
    """Publish elements to an MQTT topic; connects for the first.

    Needs the package ``paho-mqtt``. The emitter waits until the client has handed the message on, and so does
    what the element acknowledges.

    Parameters
    ----------
    host: str
    port: int
    topic: str
    keepalive: int
        Seconds after which the client says that it is still there.
    client_kwargs: dict
        For the client's ``connect``.
    on_error:
        See :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.to_mqtt("localhost", 1883, "topic")  # doctest: +SKIP
    """

    host: str
    port: int
    topic: str
    keepalive: int

    def __init__(
        self,
        upstream: Stream,
        host: str,
        port: int,
        topic: str,
        keepalive: int = 60,
        client_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._mqtt = need("paho.mqtt.client", "mqtt", "to_mqtt")
        self.host, self.port, self.topic, self.keepalive = host, port, topic, keepalive
        self.client_kwargs: dict[str, Any] = dict(client_kwargs or {})
        self.client: Any = None
        self._publishing: Any = None
        super().__init__(upstream, ensure_io_loop=True, **kwargs)

    async def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> None:
        """Publish an element; elements are published in order."""
        import asyncio

        if self._publishing is None:
            self._publishing = asyncio.Lock()
        async with self._publishing:
            # The client blocks.
            await asyncio.get_running_loop().run_in_executor(None, self._publish, x)

    def _publish(self, x: Any) -> None:
        if self.client is None:
            self.client = _client(self._mqtt)
            self.client.connect(self.host, self.port, self.keepalive, **self.client_kwargs)
            self.client.loop_start()
        self.client.publish(self.topic, x).wait_for_publish()

    def _drained(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.loop_stop()
            client.disconnect()

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect the sink from its upstreams, let go of it, and disconnect from the broker."""
        super().destroy(streams)
        self._drained()


def _client(mqtt: Any) -> Any:
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    return mqtt.Client() if versions is None else mqtt.Client(versions.VERSION2)
