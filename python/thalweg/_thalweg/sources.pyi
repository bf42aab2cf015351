"""Sources written in Rust: each function takes Python's arguments, and returns a source to be run for a node."""

from asyncio import Future
from collections.abc import Callable
from datetime import datetime
from os import PathLike
from typing import Any, final

from thalweg._thalweg import Node
from thalweg._thalweg.sql import Database, Position
from thalweg._types import ClientFiles, Placement

__all__ = [
    "DeadLetterEnd",
    "DeadLetters",
    "FetchSettings",
    "FileFormat",
    "FileNames",
    "HttpApp",
    "HttpCall",
    "HttpReply",
    "HttpServer",
    "KafkaBroker",
    "KafkaEnd",
    "KafkaProducer",
    "KafkaTopics",
    "KafkaTransactions",
    "LineSplitter",
    "MongoDbCollection",
    "MqttEnd",
    "MqttTopic",
    "NatsEnd",
    "NatsSubject",
    "RedisEnd",
    "RedisKey",
    "RemoteSettings",
    "RustSource",
    "TcpServer",
    "WebSocketServer",
    "WebSocketUrl",
    "check_remote_url",
    "csv_records",
    "fetch",
    "file_names",
    "from_url",
    "http_lines",
    "http_poll",
    "json_lines",
    "messages",
    "open_pipe",
    "output",
    "pipe",
    "read_url",
    "respond",
    "schedule",
    "server_sent_events",
    "text_file",
    "to_dead_letters",
    "to_files",
    "to_http",
    "to_kafka",
    "to_kafka_in_transactions",
    "to_tcp",
    "write_url",
]

@final
class RustSource:
    def run(self, node: Node) -> Future[None]: ...
    def end_of_run(self, node: Node) -> Future[None] | None: ...
    def stop(self, is_ending: bool = False) -> None: ...

@final
class LineSplitter:
    def __new__(cls, delimiter: bytes, max_len: int) -> LineSplitter: ...
    def feed(self, bytes: bytes) -> list[bytes | Exception]: ...
    def finish(self) -> list[bytes | Exception]: ...

@final
class HttpApp:
    def begin(
        self,
        method: str,
        url: str,
        headers: list[tuple[bytes, bytes]],
        answer: Future[tuple[int, list[tuple[bytes, bytes]], bytes]],
    ) -> HttpCall: ...

@final
class HttpCall:
    def push(self, piece: bytes) -> bool: ...
    def end(self) -> None: ...

@final
class HttpServer:
    def __new__(
        cls,
        port: int | None,
        path: str,
        host: str,
        max_len: int,
        max_head: int,
        read_timeout: float,
        time_limit: float | None,
        max_connections: int,
        max_in_flight: int,
        show_errors: bool,
        tls: tuple[str, str, str | None] | None,
    ) -> HttpServer: ...
    def listen(self) -> int: ...
    def release(self) -> bool: ...
    def open(self) -> None: ...
    def app(self, only_bodies: bool) -> HttpApp: ...
    def bodies(self) -> RustSource: ...
    def requests(self, make: Callable[[str, str, dict[str, str], bytes], Any]) -> RustSource: ...

@final
class DeadLetters:
    def __new__(cls, place: str, options: list[tuple[str, str]], table: tuple[Database, str] | None) -> DeadLetters: ...
    @property
    def place(self) -> str: ...
    def letters(self, make: Callable[..., Any]) -> tuple[RustSource, DeadLetterEnd]: ...

@final
class DeadLetterEnd:
    def close(self) -> None: ...

def to_dead_letters(
    placement: Placement, letters: DeadLetters, take_apart: Callable[[Any], tuple[Any, ...]]
) -> None: ...

@final
class KafkaTopics:
    def __new__(
        cls,
        kind: str,
        topics: list[str],
        options: list[tuple[str, str]],
        max_messages: int,
        max_bytes: int,
        commit_interval: float,
        revoke_timeout: float,
        overdue_after: float,
        until_end: bool,
        max_partitions: int | None,
        positions: Database | None,
        transactions: KafkaTransactions | None,
    ) -> KafkaTopics: ...
    def messages(self, make: Callable[..., Any] | None) -> tuple[RustSource, KafkaEnd]: ...
    def batches(
        self, make: Callable[..., Any] | None, interval: float, max_len: int
    ) -> tuple[RustSource, KafkaEnd]: ...

@final
class KafkaEnd:
    @property
    def has_begun(self) -> bool: ...
    def close(self) -> None: ...

@final
class KafkaBroker:
    def __new__(cls, topics: list[tuple[str, int]]) -> KafkaBroker: ...
    @property
    def address(self) -> str | None: ...
    def close(self) -> None: ...

@final
class KafkaProducer:
    def __new__(cls, topic: str, options: list[tuple[str, str]], max_in_flight: int) -> KafkaProducer: ...
    def flush(self, limit: float) -> int: ...

def to_kafka(placement: Placement, producer: KafkaProducer, take_apart: Callable[[Any], tuple[Any, ...]]) -> None: ...

@final
class KafkaTransactions:
    def __new__(cls, id: str) -> KafkaTransactions: ...

def to_kafka_in_transactions(
    placement: Placement,
    topic: str,
    options: list[tuple[str, str]],
    max_in_flight: int,
    transactions: KafkaTransactions,
    take_apart: Callable[[Any], tuple[Any, ...]],
) -> None: ...

@final
class MongoDbCollection:
    def __new__(
        cls,
        uri: str,
        database: str,
        collection: str,
        key: list[str],
        ordered: bool,
        retries: int,
        wait: float,
    ) -> MongoDbCollection: ...
    def changes(
        self,
        types: Any,
        cursor: str | None,
        after: Any,
        poll: float | None,
        position: Position | None,
        make: Callable[..., Any] | None,
    ) -> RustSource: ...
    def sink(self, placement: Placement, max_batch: int) -> None: ...

@final
class MqttTopic:
    def __new__(
        cls,
        host: str,
        port: int,
        topic: str,
        keep_alive: float,
        is_five: bool,
        at_least_once: bool,
        retain: bool,
        client_id: str | None,
        login: tuple[str, str] | None,
        tls: ClientFiles | None,
        max_len: int,
        max_waiting: int,
        retries: int,
        wait: float,
    ) -> MqttTopic: ...
    def messages(self, make: Callable[..., Any]) -> tuple[RustSource, MqttEnd]: ...
    def sink(self, placement: Placement, max_len: int) -> None: ...

@final
class MqttEnd:
    def close(self) -> None: ...

@final
class NatsSubject:
    def __new__(
        cls,
        url: str,
        subject: str,
        stream: str | None,
        create: bool,
        token: str | None,
        authorities: str | None,
        retries: int,
        wait: float,
    ) -> NatsSubject: ...
    def messages(
        self,
        make: Callable[..., Any],
        durable: str | None,
        queue: str | None,
        from_latest: bool,
        ack_wait: float,
        redeliver_after: float,
        max_deliveries: int | None,
        max_in_flight: int,
        max_waiting: int,
    ) -> tuple[RustSource, NatsEnd]: ...
    def sink(self, placement: Placement, max_batch: int) -> None: ...

@final
class NatsEnd:
    def close(self) -> None: ...

@final
class RedisKey:
    def __new__(
        cls,
        url: str,
        key: str,
        group: str | None,
        consumer: str,
        from_latest: bool,
        claim_after: float,
        max_waiting: int,
        max_len: int | None,
        retries: int,
        wait: float,
        files: ClientFiles,
    ) -> RedisKey: ...
    def entries(self, make: Callable[..., Any]) -> tuple[RustSource, RedisEnd]: ...
    def values(self) -> tuple[RustSource, RedisEnd]: ...
    def sink(self, placement: Placement, is_list: bool, max_batch: int) -> None: ...

@final
class RedisEnd:
    def close(self) -> None: ...

@final
class TcpServer:
    def __new__(
        cls,
        port: int,
        host: str,
        delimiter: bytes,
        width: int | None,
        max_len: int,
        max_connections: int,
        idle_timeout: float | None,
        tls: tuple[str, str, str | None] | None,
    ) -> TcpServer: ...
    def listen(self) -> int: ...
    def release(self) -> bool: ...
    def messages(self) -> RustSource: ...

def to_tcp(
    placement: Placement,
    host: str,
    port: int,
    delimiter: bytes,
    width: int | None,
    connect_timeout: float,
    retries: int,
    wait: float,
    max_len: int,
) -> None: ...

@final
class WebSocketServer:
    def __new__(
        cls,
        host: str,
        port: int,
        max_len: int,
        max_connections: int,
        max_behind: int,
        ping_interval: float | None,
        ping_timeout: float | None,
        tls: tuple[str, str, str | None] | None,
        origins: list[str],
    ) -> WebSocketServer: ...
    def listen(self) -> int: ...
    def release(self) -> bool: ...
    def messages(self) -> RustSource: ...
    def show(self, placement: Placement, max_len: int) -> None: ...

@final
class WebSocketUrl:
    def __new__(
        cls,
        url: str,
        headers: list[tuple[str, str]],
        authorities: str | None,
        connect_timeout: float,
        retries: int,
        wait: float,
        max_len: int,
        ping_interval: float | None,
        ping_timeout: float | None,
    ) -> WebSocketUrl: ...
    @property
    def shown(self) -> str: ...
    def messages(self, first: list[str | bytes], reconnect: bool) -> RustSource: ...
    def send(self, placement: Placement, max_len: int, confirm: bool) -> None: ...

@final
class FileNames:
    def __new__(cls, path: str) -> FileNames: ...
    def position(self, name: str) -> Position: ...

@final
class FileFormat:
    @staticmethod
    def lines() -> FileFormat: ...
    @staticmethod
    def length_prefixed(width: int) -> FileFormat: ...
    @staticmethod
    def jsonl(dumps: Callable[[Any], str | bytes]) -> FileFormat: ...
    @staticmethod
    def csv(delimiter: str, columns: list[str]) -> FileFormat: ...
    @staticmethod
    def object(kind: str, object: Any) -> FileFormat: ...

def to_files(
    placement: Placement,
    names: FileNames,
    format: FileFormat,
    max_rows: int | None,
    max_bytes: int | None,
    max_age: float | None,
    sync: bool,
) -> None: ...
def json_lines(
    path: str, loads: Callable[[str], Any], max_len: int, position: Position | None = None
) -> RustSource: ...
def csv_records(path: str, delimiter: str, max_len: int, position: Position | None = None) -> RustSource: ...
def messages(path: str, width: int, max_len: int, position: Position | None = None) -> RustSource: ...

@final
class HttpReply:
    def retain(self, n: int = 1) -> None: ...
    def release(self, n: int = 1) -> None: ...

@final
class FetchSettings:
    def __new__(
        cls,
        headers: list[tuple[str, str]],
        connect_timeout: float,
        follow_anywhere: bool,
        max_in_flight: int,
        per_host: int,
        interval: float,
        retries: int,
        wait: float,
        max_wait: float,
        time_limit: float,
        max_len: int,
        max_file_len: int,
        ordered: bool,
        robots: bool,
    ) -> FetchSettings: ...

@final
class RemoteSettings:
    def __new__(
        cls,
        login: tuple[str | None, str | None],
        access_key: tuple[str | None, str | None, str | None],
        service: tuple[str | None, str | None, bool, str | PathLike[str] | None],
        requests: tuple[list[tuple[str, str]], float, bool],
        schemes: list[str] | None,
        retrying: tuple[int, float, float, float],
        limits: tuple[int, int, int],
        parts: tuple[int, int, bool],
    ) -> RemoteSettings: ...
    def progress(self) -> tuple[int, int]: ...

def check_remote_url(settings: RemoteSettings, url: str) -> None: ...
def read_url(
    placement: Placement,
    settings: RemoteSettings,
    unordered: bool,
    take_apart: Callable[[Any], tuple[Any, ...]],
    make: Callable[..., Any],
) -> None: ...
def write_url(placement: Placement, settings: RemoteSettings, take_apart: Callable[[Any], tuple[Any, ...]]) -> None: ...
def from_url(
    url: str,
    settings: RemoteSettings,
    format: str,
    max_len: int,
    loads: Callable[[str], Any],
    delimiter: str,
    width: int,
    position: Position | None = None,
) -> RustSource: ...
def fetch(
    placement: Placement,
    settings: FetchSettings,
    take_apart: Callable[[Any], tuple[Any, ...]],
    make: Callable[..., Any],
) -> None: ...
def to_http(placement: Placement, url: str, settings: FetchSettings, to_json: Callable[[Any], str]) -> None: ...
def respond(placement: Placement, take_apart: Callable[[Any], tuple[int, list[tuple[str, str]], bytes]]) -> None: ...
def text_file(
    path: str | PathLike[str],
    delimiter: str,
    poll_interval: float,
    from_end: int | None,
    max_len: int,
    position: Position | None = None,
) -> RustSource: ...
def pipe(path: str | PathLike[str], delimiter: str, max_len: int) -> RustSource: ...
def open_pipe(
    number: int, delimiter: bytes, max_len: int, ahead: bytes, decode: Callable[[bytes], str] | None = None
) -> RustSource: ...
def output(number: int, delimiter: bytes, with_end: bool, max_len: int) -> RustSource: ...
def file_names(pattern: str | PathLike[str], poll_interval: float) -> RustSource: ...
def http_lines(
    url: str,
    headers: list[tuple[str, str]],
    connect_timeout: float,
    idle_timeout: float,
    max_len: int,
    follow_anywhere: bool,
) -> RustSource: ...
def http_poll(
    url: str,
    interval: float,
    headers: list[tuple[str, str]],
    connect_timeout: float,
    time_limit: float,
    max_len: int,
    follow_anywhere: bool,
) -> RustSource: ...
def server_sent_events(
    url: str,
    make: Callable[[str, str, str], Any],
    headers: list[tuple[str, str]],
    last_event_id: str,
    connect_timeout: float,
    idle_timeout: float,
    wait: float,
    max_wait: float,
    max_len: int,
    follow_anywhere: bool,
    position: Position | None,
) -> RustSource: ...
def schedule(
    schedule: str, tz: str, missed: str, start: int | None, to_datetime: Callable[[int], datetime]
) -> RustSource: ...
