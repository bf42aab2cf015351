"""Sources, one module each."""

from thalweg.runtime.intervals import convert_interval  # noqa: F401, streamz's module of sources has this name
from thalweg.runtime.sync import sync  # noqa: F401, and this
from thalweg.sinks.kafka_messages import KafkaMessage
from thalweg.sinks.mongodb_documents import MongoDbChange, ObjectId
from thalweg.sinks.mqtt_topics import MqttMessage
from thalweg.sinks.nats_subjects import NatsMessage
from thalweg.sinks.redis_keys import RedisEntry
from thalweg.sources.filenames import filenames
from thalweg.sources.from_csv import from_csv
from thalweg.sources.from_dead_letters import from_dead_letters
from thalweg.sources.from_http_lines import from_http_lines
from thalweg.sources.from_http_poll import from_http_poll
from thalweg.sources.from_http_requests import from_http_requests
from thalweg.sources.from_http_server import from_http_server
from thalweg.sources.from_iterable import from_iterable
from thalweg.sources.from_jsonl import from_jsonl
from thalweg.sources.from_kafka import from_kafka
from thalweg.sources.from_kafka_batched import from_kafka_batched
from thalweg.sources.from_length_prefixed import from_length_prefixed
from thalweg.sources.from_mongodb import from_mongodb
from thalweg.sources.from_mqtt import from_mqtt
from thalweg.sources.from_nats import from_nats
from thalweg.sources.from_parquet import from_parquet
from thalweg.sources.from_periodic import PeriodicCallback, from_periodic
from thalweg.sources.from_process import from_process
from thalweg.sources.from_q import from_q
from thalweg.sources.from_redis_list import from_redis_list
from thalweg.sources.from_redis_stream import from_redis_stream
from thalweg.sources.from_schedule import from_schedule
from thalweg.sources.from_sql import from_sql
from thalweg.sources.from_sse import ServerSentEvent, from_sse
from thalweg.sources.from_tcp import from_tcp
from thalweg.sources.from_textfile import from_textfile
from thalweg.sources.from_url import from_url
from thalweg.sources.from_websocket import from_websocket
from thalweg.sources.from_websocket_url import from_websocket_url
from thalweg.sources.sink_to_file import sink_to_file
from thalweg.sources.source import Source
from thalweg.stream import Stream  # noqa: F401, and this
from thalweg.stream.refcounter import RefCounter  # noqa: F401, and this

__all__ = [
    "KafkaMessage",
    "MongoDbChange",
    "MqttMessage",
    "NatsMessage",
    "ObjectId",
    "PeriodicCallback",
    "RedisEntry",
    "ServerSentEvent",
    "Source",
    "filenames",
    "from_csv",
    "from_dead_letters",
    "from_http_lines",
    "from_http_poll",
    "from_http_requests",
    "from_http_server",
    "from_iterable",
    "from_jsonl",
    "from_kafka",
    "from_kafka_batched",
    "from_length_prefixed",
    "from_mongodb",
    "from_mqtt",
    "from_nats",
    "from_parquet",
    "from_periodic",
    "from_process",
    "from_q",
    "from_redis_list",
    "from_redis_stream",
    "from_schedule",
    "from_sql",
    "from_sse",
    "from_tcp",
    "from_textfile",
    "from_url",
    "from_websocket",
    "from_websocket_url",
    "sink_to_file",
]
