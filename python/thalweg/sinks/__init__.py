"""Sinks, one module each."""

from thalweg.sinks.files import Files
from thalweg.sinks.kafka_messages import KafkaRecord
from thalweg.sinks.kafka_transactions import KafkaTransactions
from thalweg.sinks.nats_subjects import NatsRecord
from thalweg.sinks.respond import respond
from thalweg.sinks.sink import Sink, Sinks, sink, starsink
from thalweg.sinks.sink_batches import sink_batches
from thalweg.sinks.sink_to_textfile import sink_to_textfile
from thalweg.sinks.to_csv import to_csv
from thalweg.sinks.to_dead_letters import to_dead_letters
from thalweg.sinks.to_files import to_files
from thalweg.sinks.to_http import to_http
from thalweg.sinks.to_jsonl import to_jsonl
from thalweg.sinks.to_kafka import to_kafka
from thalweg.sinks.to_mongodb import to_mongodb
from thalweg.sinks.to_mqtt import to_mqtt
from thalweg.sinks.to_nats import to_nats
from thalweg.sinks.to_parquet import to_parquet
from thalweg.sinks.to_redis_list import to_redis_list
from thalweg.sinks.to_redis_stream import to_redis_stream
from thalweg.sinks.to_sql import to_sql
from thalweg.sinks.to_tcp import to_tcp
from thalweg.sinks.to_websocket import to_websocket
from thalweg.sinks.to_websocket_clients import to_websocket_clients
from thalweg.sinks.write_url import write_url
from thalweg.stream import Stream  # noqa: F401, a name that streamz's module of sinks has

__all__ = [
    "Files",
    "KafkaRecord",
    "KafkaTransactions",
    "NatsRecord",
    "Sink",
    "respond",
    "sink",
    "sink_batches",
    "sink_to_textfile",
    "starsink",
    "to_csv",
    "to_dead_letters",
    "to_files",
    "to_http",
    "to_jsonl",
    "to_kafka",
    "to_mongodb",
    "to_mqtt",
    "to_nats",
    "to_parquet",
    "to_redis_list",
    "to_redis_stream",
    "to_sql",
    "to_tcp",
    "to_websocket",
    "to_websocket_clients",
    "write_url",
]

_global_sinks = Sinks()
