"""Methods that classes attach to `Stream` on import, for tools that only read the sources.

Each takes the parameters of its class except the upstream, which is the stream itself. This file is generated from
the classes by ``cargo xtask stubs``.
"""

import queue
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Concatenate, Generic, Literal, TextIO, overload
from zoneinfo import ZoneInfo

from typing_extensions import Self

from thalweg import ops, sinks, sources
from thalweg._types import Emits, EventLoop, Interval, Keep, OnError, RecordFormat
from thalweg.collections.batch import Batch
from thalweg.database import Database, Position
from thalweg.dead_letters import DeadLetters
from thalweg.http import HttpResponse
from thalweg.parallel.scatter import scatter as scattered
from thalweg.remote import Remote, RemoteContent
from thalweg.sinks.files import Files
from thalweg.sinks.kafka_transactions import KafkaTransactions
from thalweg.stream import Stream
from thalweg.stream.typevars import S, T, U, V

class Methods(Generic[T]):
    """The methods."""

    @overload
    def accumulate(
        self,
        func: Callable[[T, T], T],
        *,
        reset_stream: Stream[Any] | None = None,
        on_error: OnError = None,
        stream_name: str | None = None,
    ) -> ops.accumulate[T]:
        """Fold elements into a state, ``state = func(state, x)``, and emit the state after each element."""
    @overload
    def accumulate(
        self,
        func: Callable[[S, T], S],
        start: S,
        returns_state: Literal[False] = False,
        reset_stream: Stream[Any] | None = None,
        *,
        with_state: Literal[False] = False,
        on_error: OnError = None,
        stream_name: str | None = None,
    ) -> ops.accumulate[S]:
        """Fold elements into a state, ``state = func(state, x)``, and emit the state after each element."""
    @overload
    def accumulate(
        self,
        func: Callable[[S, T], tuple[S, U]],
        start: S,
        returns_state: Literal[True],
        reset_stream: Stream[Any] | None = None,
        *,
        with_state: Literal[False] = False,
        on_error: OnError = None,
        stream_name: str | None = None,
    ) -> ops.accumulate[U]:
        """Fold elements into a state, ``state = func(state, x)``, and emit the state after each element."""
    @overload
    def accumulate(
        self,
        func: Callable[..., Any],
        start: Any = ...,
        returns_state: bool = False,
        reset_stream: Stream[Any] | None = None,
        *,
        with_state: bool,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> ops.accumulate[Any]:
        """Fold elements into a state, ``state = func(state, x)``, and emit the state after each element."""

    def buffer(self, n: int, **kwargs: Any) -> ops.buffer[T]:
        """Queue up to `n` elements for the nodes downstream; emitters wait only while the queue is full."""

    def collect(self, cache: deque[Any] | None = None, metadata_cache: Any = None, **kwargs: Any) -> ops.collect[T]:
        """Keep elements, and emit them as a tuple when flushed."""

    @overload
    def combine_latest(
        self,
        other: Stream[U],
        /,
        *,
        emit_on: int | Stream[Any] | Iterable[int | Stream[Any]] | None = None,
        first: bool | Stream[Any] | None = None,
        **kwargs: Any,
    ) -> ops.combine_latest[tuple[T, U]]:
        """Combine streams into a stream of tuples of the most recent element of each."""
    @overload
    def combine_latest(
        self,
        *upstreams: Stream[Any],
        emit_on: int | Stream[Any] | Iterable[int | Stream[Any]] | None = None,
        first: bool | Stream[Any] | None = None,
        **kwargs: Any,
    ) -> ops.combine_latest[tuple[Any, ...]]:
        """Combine streams into a stream of tuples of the most recent element of each."""

    def debounce(self, interval: Interval, **kwargs: Any) -> Stream[T]:
        """Emit an element once no other has followed it for an `interval`."""

    def delay(self, interval: Interval, **kwargs: Any) -> ops.delay[T]:
        """Limit the rate to one element per `interval`; emitters do not wait."""

    def fetch(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        unordered: bool = False,
        max_in_flight: int = 64,
        per_host: int = 6,
        interval: Interval = 0,
        retries: int = 3,
        wait: Interval = 1,
        max_wait: Interval = 30,
        time_limit: Interval = 60,
        connect_timeout: Interval = 10,
        max_len: int = ...,
        max_file_len: int = ...,
        follow_anywhere: bool = False,
        robots: bool = False,
        **kwargs: Any,
    ) -> Stream[HttpResponse]:
        """Send each element, a URL or an :class:`~thalweg.http.HttpRequest`, to its server, and emit the responses."""

    @overload
    def filter(
        self, predicate: Callable[[T], object] | None, *, on_error: OnError = None, stream_name: str | None = None
    ) -> Stream[T]:
        """Pass on only the elements that satisfy the predicate."""
    @overload
    def filter(
        self, predicate: Callable[Concatenate[T, ...], object], *args: Any, on_error: OnError = None, **kwargs: Any
    ) -> Stream[T]:
        """Pass on only the elements that satisfy the predicate."""

    def flatten(self: Emits[Iterable[U]], *args: Any, **kwargs: Any) -> Stream[U]:
        """Flatten a stream of iterables into a stream of their elements."""

    def latest(
        self,
        upstreams: Iterable[Any] | None = None,
        stream_name: str | None = None,
        loop: EventLoop | None = None,
        asynchronous: bool | None = None,
        ensure_io_loop: bool = False,
        on_error: OnError = None,
    ) -> ops.latest[T]:
        """Keep only the newest element while downstream is busy; older ones are dropped."""

    @overload
    def map(
        self,
        func: Callable[[T], Coroutine[Any, Any, U]],
        *,
        on_error: OnError = None,
        concurrency: int | None = None,
        stream_name: str | None = None,
    ) -> Stream[U]:
        """Apply a function to every element in the stream."""
    @overload
    def map(
        self,
        func: Callable[[T], U],
        *,
        on_error: OnError = None,
        concurrency: int | None = None,
        stream_name: str | None = None,
    ) -> Stream[U]:
        """Apply a function to every element in the stream."""
    @overload
    def map(
        self,
        func: Callable[Concatenate[T, ...], Coroutine[Any, Any, U]],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> Stream[U]:
        """Apply a function to every element in the stream."""
    @overload
    def map(
        self,
        func: Callable[Concatenate[T, ...], U],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> Stream[U]:
        """Apply a function to every element in the stream."""

    def map_async(
        self,
        func: Callable[Concatenate[T, ...], Awaitable[U]],
        *args: Any,
        parallelism: int = 1,
        stop_on_exception: bool = False,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> ops.map_async[U]:
        """Apply an async function to every element, several at a time, with results in order."""

    def partition(
        self, n: int, timeout: Interval | None = None, key: Any = None, **kwargs: Any
    ) -> Stream[tuple[T, ...]]:
        """Group elements into tuples of equal size."""

    def partition_unique(self, n: int, key: Any = ..., keep: Keep = "first", **kwargs: Any) -> Stream[tuple[T, ...]]:
        """Group elements into tuples of `n` elements with different keys."""

    def pluck(self, pick: Any, **kwargs: Any) -> Stream:
        """Select items of the elements."""

    def rate_limit(self, interval: Interval, **kwargs: Any) -> Stream[T]:
        """Limit the rate to one element per `interval`; emitters wait."""

    def read_url(
        self, remote: Remote | None = None, *, unordered: bool = False, **kwargs: Any
    ) -> Stream[RemoteContent]:
        """Read the file at each element, a URL or a :class:`~thalweg.remote.RemoteFile`, and emit its content."""

    def sample(self, interval: Interval, **kwargs: Any) -> Stream[T]:
        """Emit the newest element every `interval`."""

    def shift(self, interval: Interval, **kwargs: Any) -> Stream[T]:
        """Emit every element one `interval` after it arrived."""

    def slice(
        self, start: int | None = None, end: int | None = None, step: int | None = None, **kwargs: Any
    ) -> ops.slice[T]:
        """Pass on only some elements by position, like ``list[start:end:step]``."""

    def sliding_window(self, n: int, return_partial: bool = True, **kwargs: Any) -> ops.sliding_window[T]:
        """For every element, emit a tuple of the last `n` elements."""

    @overload
    def starmap(
        self: Emits[tuple[S, V]], func: Callable[[S, V], U], *, on_error: OnError = None, stream_name: str | None = None
    ) -> Stream[U]:
        """Apply a function to every element, unpacked: ``func(*x, *args)``."""
    @overload
    def starmap(
        self,
        func: Callable[..., Coroutine[Any, Any, U]],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> Stream[U]:
        """Apply a function to every element, unpacked: ``func(*x, *args)``."""
    @overload
    def starmap(
        self,
        func: Callable[..., U],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> Stream[U]:
        """Apply a function to every element, unpacked: ``func(*x, *args)``."""

    def throttle(self, interval: Interval, **kwargs: Any) -> Stream[T]:
        """Drop elements that arrive within an `interval` after one that has passed."""

    def timed_window(self, interval: Interval, **kwargs: Any) -> Stream[list[T]]:
        """Every `interval`, emit a list of the elements that have arrived; it may be empty."""

    def timed_window_unique(
        self, interval: Interval, key: Any = ..., keep: Keep = "first", **kwargs: Any
    ) -> Stream[tuple[T, ...]]:
        """Every `interval`, emit a tuple of the elements that have arrived, one per key; it may be empty."""

    def union(self, *upstreams: Stream[T], **kwargs: Any) -> Stream[T]:
        """Merge streams: every element of any of them is passed on at once."""

    def unique(
        self,
        maxsize: int | None = None,
        key: Callable[[T], Any] = ...,
        hashable: bool | None = True,
        fifo: bool = False,
        **kwargs: Any,
    ) -> ops.unique[T]:
        """Drop elements whose key has occurred before."""

    @overload
    def zip(
        self, other: Stream[U], /, *, maxsize: int = 10, first: bool | Stream[Any] | None = None, **kwargs: Any
    ) -> ops.zip[tuple[T, U]]:
        """Combine streams into a stream of tuples: the first elements, then the second ones, and so on."""
    @overload
    def zip(
        self, *upstreams: Any, maxsize: int = 10, first: bool | Stream[Any] | None = None, **kwargs: Any
    ) -> ops.zip[tuple[Any, ...]]:
        """Combine streams into a stream of tuples: the first elements, then the second ones, and so on."""

    @overload
    def zip_latest(
        self, other: Stream[U], /, *, first: bool | Stream[Any] | None = None, **kwargs: Any
    ) -> ops.zip_latest[tuple[T, U]]:
        """Combine every element of one stream with the latest ones of others."""
    @overload
    def zip_latest(
        self, *upstreams: Stream[Any], first: bool | Stream[Any] | None = None, **kwargs: Any
    ) -> ops.zip_latest[tuple[Any, ...]]:
        """Combine every element of one stream with the latest ones of others."""

    def respond(self, *, on_error: OnError = None, **kwargs: Any) -> sinks.respond[T]:
        """Send each element as the response to its request, downstream of :class:`from_http_requests`."""

    @overload
    def sink(
        self,
        func: Callable[[T], object],
        *,
        on_error: OnError = None,
        concurrency: int | None = None,
        stream_name: str | None = None,
        loop: EventLoop | None = None,
        asynchronous: bool | None = None,
    ) -> sinks.sink[T]:
        """Call a function with every element."""
    @overload
    def sink(
        self,
        func: Callable[Concatenate[T, ...], object],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> sinks.sink[T]:
        """Call a function with every element."""

    def sink_batches(
        self,
        func: Callable[Concatenate[list[T], ...], object],
        *args: Any,
        max_len: int = 4096,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> sinks.sink_batches[T]:
        """Call a function with lists of elements: those that have arrived during the call before."""

    def sink_to_textfile(
        self, file: str | PathLike[str] | TextIO, end: str = "\n", mode: str = "a", **kwargs: Any
    ) -> sinks.sink_to_textfile:
        """Write elements to a plain text file, one per line."""

    def starsink(
        self,
        func: Callable[..., object],
        *args: Any,
        on_error: OnError = None,
        concurrency: int | None = None,
        **kwargs: Any,
    ) -> sinks.starsink[T]:
        """Call a function with every element, unpacked: ``func(*x, *args)``."""

    def to_csv(
        self,
        path: str | PathLike[str] | Files,
        *,
        columns: Iterable[str] = ...,
        delimiter: str = ",",
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> sinks.to_csv[T]:
        """Write each element, a dict, a tuple or a list, as a CSV record to files that appear when complete."""

    def to_dead_letters(
        self,
        letters: DeadLetters | str | PathLike[str] | Database,
        *,
        keep: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> sinks.to_dead_letters[T]:
        """Store failures in a file, a table or a topic: the node, the error, the attempt and the element."""

    def to_files(
        self,
        path: str | PathLike[str] | Files,
        *,
        length_prefix: int | None = None,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> sinks.to_files[T]:
        """Write each element, text or bytes, as a line of a file, which becomes visible when complete."""

    def to_http(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        max_in_flight: int = 64,
        per_host: int = 6,
        interval: Interval = 0,
        retries: int = 3,
        wait: Interval = 1,
        max_wait: Interval = 30,
        time_limit: Interval = 60,
        connect_timeout: Interval = 10,
        max_len: int = ...,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> sinks.to_http[T]:
        """Post each element to a URL: text or bytes as they are, anything else as JSON."""

    def to_jsonl(
        self,
        path: str | PathLike[str] | Files,
        *,
        dumps: Callable[[T], str | bytes] | None = None,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> sinks.to_jsonl[T]:
        """Write each element as a line of JSON to files, which become visible when complete."""

    def to_kafka(
        self,
        topic: str,
        producer_config: Mapping[str, Any],
        *,
        max_in_flight: int = 10000,
        transactions: KafkaTransactions | None = None,
        **kwargs: Any,
    ) -> sinks.to_kafka:
        """Write elements to a Kafka topic, and emit each value once it is delivered."""

    def to_mongodb(
        self,
        uri: str,
        database: str,
        collection: str,
        *,
        key: str | Iterable[str] = ...,
        ordered: bool = True,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 4096,
        **kwargs: Any,
    ) -> sinks.to_mongodb[T]:
        """Write elements to a MongoDB collection, grouping those that arrive meanwhile."""

    def to_mqtt(
        self,
        host: str,
        port: int,
        topic: str,
        keepalive: Interval = 60,
        client_kwargs: dict[str, Any] | None = None,
        *,
        user: str | None = None,
        pw: str | None = None,
        tls: bool = False,
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        client_id: str | None = None,
        version: str = "3.1.1",
        qos: int = 1,
        retain: bool = False,
        max_len: int = ...,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_mqtt[T]:
        """Publish elements, text or bytes, to an MQTT topic, grouping those that arrive meanwhile."""

    def to_nats(
        self,
        url: str,
        subject: str,
        stream: str | None = None,
        *,
        create: bool = False,
        token: str | None = None,
        ca_certs: str | PathLike[str] | None = None,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_nats[T]:
        """Send elements to a NATS subject, grouping those that arrive meanwhile."""

    def to_parquet(
        self,
        path: str | PathLike[str] | Files,
        *,
        compression: str = "snappy",
        max_rows: int | None = None,
        max_bytes: int | None = None,
        max_age: Interval | None = None,
        sync: bool = True,
        **kwargs: Any,
    ) -> sinks.to_parquet[T]:
        """Write each element, a batch of rows, to Parquet files, which become visible when complete."""

    def to_redis_list(
        self,
        url: str,
        key: str,
        *,
        retries: int = 10,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_redis_list[T]:
        """Append elements, text or bytes, to a Redis list, grouping those that arrive meanwhile."""

    def to_redis_stream(
        self,
        url: str,
        key: str,
        *,
        max_len: int | None = None,
        retries: int = 10,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_redis_stream[T]:
        """Add elements to a Redis stream, grouping those that arrive meanwhile."""

    def to_sql(
        self,
        database: Database | str,
        table: str,
        *,
        key: str | Iterable[str] = ...,
        create: bool = False,
        columns: Iterable[str] | None = None,
        max_len: int = 4096,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> sinks.to_sql[T]:
        """Write elements to a table of a database, one transaction per batch."""

    def to_tcp(
        self,
        host: str,
        port: int,
        delimiter: bytes = b"\n",
        *,
        length_prefix: int | None = None,
        connect_timeout: Interval = 10,
        retries: int = 10,
        wait: Interval = "100ms",
        max_len: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_tcp[T]:
        """Send each element, text or bytes, to a port, followed by a delimiter."""

    def to_websocket(
        self,
        uri: str,
        ws_kwargs: dict[str, Any] | None = None,
        *,
        confirm: bool = True,
        connect_timeout: Interval = 10,
        retries: int = 10,
        wait: Interval = "100ms",
        max_len: int = 1024,
        **kwargs: Any,
    ) -> sinks.to_websocket[T]:
        """Send elements, bytes or str, over a WebSocket, which is opened for the first one."""

    def to_websocket_clients(
        self,
        host: str,
        port: int,
        serve_kwargs: dict[str, Any] | None = None,
        *,
        max_behind: int = 1024,
        max_connections: int = 10000,
        origins: str | Iterable[str] = ...,
        **kwargs: Any,
    ) -> sinks.to_websocket_clients[T]:
        """Serve WebSockets at a port, and send elements, bytes or str, to all connected clients."""

    def write_url(self, remote: Remote | None = None, **kwargs: Any) -> sinks.write_url[T]:
        """Write each element, a URL and its content or a :class:`~thalweg.remote.RemoteObject`, as a file."""

    @staticmethod
    def filenames(
        path: str | PathLike[str],
        poll_interval: Interval = 0.1,
        start: bool = False,
        *,
        recursive: bool = False,
        **kwargs: Any,
    ) -> sources.filenames:
        """Emit the names of the files in a directory, those there are and those that appear."""

    @staticmethod
    def from_csv(
        path: str | PathLike[str],
        *,
        delimiter: str = ",",
        max_len: int = ...,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_csv:
        """Emit the records of a CSV file as dicts of text, until its end."""

    @staticmethod
    def from_dead_letters(
        letters: DeadLetters | str | PathLike[str] | Database, **kwargs: Any
    ) -> sources.from_dead_letters:
        """Emit the letters of a storage that have not been replayed, then end."""

    @staticmethod
    def from_http_lines(
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: Interval = 10,
        idle_timeout: Interval = 60,
        max_len: int = ...,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> sources.from_http_lines:
        """Emit the lines of an HTTP response as they arrive."""

    @staticmethod
    def from_http_poll(
        url: str,
        interval: Interval,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: Interval = 10,
        time_limit: Interval = 60,
        max_len: int = ...,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> sources.from_http_poll:
        """Request a URL at an interval, and emit the body whenever it has changed."""

    @staticmethod
    def from_http_requests(
        port: int | None,
        path: str = "/.*",
        server_kwargs: dict[str, Any] | None = None,
        *,
        host: str = "localhost",
        max_len: int = ...,
        max_head: int = ...,
        read_timeout: Interval = 30,
        time_limit: Interval | None = None,
        max_connections: int = 10000,
        max_in_flight: int = 1024,
        show_errors: bool = False,
        tls: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
        **kwargs: Any,
    ) -> sources.from_http_requests:
        """Emit the requests that arrive at a port; elements at :class:`respond` are their responses."""

    @staticmethod
    def from_http_server(
        port: int | None,
        path: str = "/.*",
        server_kwargs: dict[str, Any] | None = None,
        *,
        host: str = "localhost",
        max_len: int = ...,
        max_head: int = ...,
        read_timeout: Interval = 30,
        time_limit: Interval | None = None,
        max_connections: int = 10000,
        max_in_flight: int = 1024,
        show_errors: bool = False,
        tls: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
        **kwargs: Any,
    ) -> sources.from_http_server:
        """Emit the body of every HTTP POST to a port."""

    @staticmethod
    def from_iterable(iterable: Iterable[T] | AsyncIterable[T], **kwargs: Any) -> sources.from_iterable[T]:
        """Emit the elements of an iterable, or of an asynchronous one, such as an asynchronous generator."""

    @staticmethod
    def from_jsonl(
        path: str | PathLike[str],
        *,
        loads: Callable[[str], Any] = ...,
        max_len: int = ...,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_jsonl:
        """Emit the values of a file of JSON lines, until its end."""

    @staticmethod
    def from_kafka(
        topics: str | Sequence[str],
        consumer_params: Mapping[str, Any],
        poll_interval: Interval = 0.1,
        *,
        messages: bool = False,
        **kwargs: Any,
    ) -> sources.from_kafka:
        """Emit the messages of Kafka topics, as a member of a consumer group, in order within each partition."""

    @staticmethod
    def from_kafka_batched(
        topic: str,
        consumer_params: Mapping[str, Any],
        poll_interval: Interval = "1s",
        npartitions: int | None = None,
        refresh_partitions: bool = False,
        start: bool = False,
        dask: bool = False,
        max_batch_size: int = 10000,
        keys: bool = False,
        engine: str | None = None,
        **kwargs: Any,
    ) -> sources.from_kafka_batched:
        """Emit the messages of a Kafka topic in lists, each from one partition."""

    @staticmethod
    def from_length_prefixed(
        path: str | PathLike[str],
        *,
        length_prefix: int = 4,
        max_len: int = ...,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_length_prefixed:
        """Emit the length-prefixed messages of a file, until its end."""

    @staticmethod
    def from_mongodb(
        uri: str,
        database: str,
        collection: str,
        *,
        changes: bool = False,
        cursor: str | None = None,
        after: Any = None,
        poll: Interval | None = None,
        position: Position | None = None,
        wait: Interval = "100ms",
        **kwargs: Any,
    ) -> sources.from_mongodb:
        """Emit the documents of a MongoDB collection as they change, or existing ones, as dicts."""

    @staticmethod
    def from_mqtt(
        host: str,
        port: int,
        topic: str,
        keepalive: Interval = 60,
        client_kwargs: dict[str, Any] | None = None,
        user: str | None = None,
        pw: str | None = None,
        *,
        tls: bool = False,
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        client_id: str | None = None,
        version: str = "3.1.1",
        qos: int = 1,
        max_len: int = ...,
        max_waiting: int = 10000,
        **kwargs: Any,
    ) -> sources.from_mqtt:
        """Emit the messages of an MQTT topic, as :class:`~thalweg.sources.MqttMessage`."""

    @staticmethod
    def from_nats(
        url: str,
        subject: str,
        stream: str | None = None,
        durable: str | None = None,
        *,
        create: bool = False,
        queue: str | None = None,
        token: str | None = None,
        ca_certs: str | PathLike[str] | None = None,
        from_latest: bool = False,
        ack_wait: Interval = 30,
        redeliver_after: Interval = 30,
        max_deliveries: int | None = None,
        max_in_flight: int = 65536,
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        **kwargs: Any,
    ) -> sources.from_nats:
        """Emit the messages of a NATS subject, as :class:`~thalweg.sources.NatsMessage`."""

    @staticmethod
    def from_parquet(
        path: str | PathLike[str], *, batch_rows: int = 8192, columns: Iterable[str] | None = None, **kwargs: Any
    ) -> sources.from_parquet:
        """Emit the rows of a Parquet file, in batches, until its end."""

    @staticmethod
    def from_periodic(
        callback: Callable[[], T], poll_interval: Interval = 0.1, **kwargs: Any
    ) -> sources.from_periodic[T]:
        """Emit the results of a function that is called periodically."""

    @staticmethod
    def from_process(
        cmd: str | list[str],
        open_kwargs: dict[str, Any] | None = None,
        with_stderr: bool = False,
        with_end: bool = True,
        max_len: int = ...,
        **kwargs: Any,
    ) -> sources.from_process:
        """Emit the lines of a program's output, as bytes."""

    @staticmethod
    def from_q(q: queue.Queue[T], sleep_time: Interval = 0.01, **kwargs: Any) -> sources.from_q[T]:
        """Emit the elements of a ``queue.Queue``; at the drain, also the rest of the queue."""

    @staticmethod
    def from_redis_list(
        url: str,
        key: str,
        *,
        consumer: str = "thalweg",
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> sources.from_redis_list:
        """Take the elements of a Redis list from its beginning, and emit them as bytes."""

    @staticmethod
    def from_redis_stream(
        url: str,
        key: str,
        group: str,
        *,
        from_latest: bool = False,
        claim_after: Interval = 60,
        consumer: str = "thalweg",
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> sources.from_redis_stream:
        """Emit the entries of a Redis stream, as a member of a consumer group, created if it does not exist."""

    @staticmethod
    def from_schedule(
        schedule: str,
        tz: str | ZoneInfo = "UTC",
        *,
        missed: Literal["skip", "once", "all"] = "skip",
        zero: datetime | None = None,
        **kwargs: Any,
    ) -> sources.from_schedule:
        """Emit the times of a schedule, each when it is due, as a `datetime` with its time zone."""

    @staticmethod
    def from_sql(
        database: Database | str,
        query: str,
        cursor: str,
        *,
        after: Any = None,
        poll: Interval | None = None,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_sql:
        """Emit the rows of a query, ordered by one of its columns, as dicts."""

    @staticmethod
    def from_sse(
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        last_event_id: str = "",
        connect_timeout: Interval = 10,
        idle_timeout: Interval = 60,
        wait: Interval = 1,
        max_wait: Interval = 30,
        max_len: int = ...,
        follow_anywhere: bool = False,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_sse:
        """Emit the server-sent events of a feed over HTTP."""

    @staticmethod
    def from_tcp(
        port: int,
        delimiter: bytes = b"\n",
        server_kwargs: dict[str, Any] | None = None,
        max_len: int = ...,
        *,
        length_prefix: int | None = None,
        max_connections: int = 10000,
        idle_timeout: Interval | None = None,
        **kwargs: Any,
    ) -> sources.from_tcp:
        """Emit the messages that arrive at a port, over any number of connections, each up to its delimiter."""

    @staticmethod
    def from_textfile(
        f: str | PathLike[str] | TextIO,
        poll_interval: Interval = 0.1,
        delimiter: str = "\n",
        from_end: bool = False,
        max_len: int = ...,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_textfile:
        """Emit the lines of a text file, those that exist and those that are appended."""

    @staticmethod
    def from_url(
        url: str,
        format: RecordFormat = "lines",
        remote: Remote | None = None,
        *,
        max_len: int = ...,
        loads: Callable[[str], Any] = ...,
        delimiter: str = ",",
        length_prefix: int = 4,
        position: Position | None = None,
        **kwargs: Any,
    ) -> sources.from_url:
        """Emit the chunks, lines or records of a remote file, until its end."""

    @staticmethod
    def from_websocket(
        host: str,
        port: int,
        serve_kwargs: dict[str, Any] | None = None,
        max_len: int = ...,
        *,
        max_connections: int = 10000,
        origins: str | Iterable[str] = ...,
        **kwargs: Any,
    ) -> sources.from_websocket:
        """Serve WebSockets at a port, and emit the messages, bytes or str, from all clients."""

    @staticmethod
    def from_websocket_url(
        url: str,
        *,
        subscribe: str | bytes | Iterable[str | bytes] = ...,
        headers: Any = None,
        reconnect: bool = True,
        connect_timeout: Interval = 10,
        wait: Interval = "100ms",
        max_len: int = ...,
        ws_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> sources.from_websocket_url:
        """Connect to a WebSocket server, and emit its messages, bytes or str."""

    def move_to_first(self, f: bool | Stream | Sequence[Stream] = True) -> Self:
        """Have a node receive elements before all other downstreams of its upstreams."""

    def _ipython_display_(self, **kwargs: Any) -> Any: ...
    def _repr_html_(self) -> str: ...
    def explain(self) -> str:
        """Explain how the pipeline runs: the chains of nodes that are compiled, and why others are not."""

    def progress(self, total: int | None = None, label: str = "", file: TextIO | None = None) -> Stream[T]:
        """Show how many elements this node has received, their rate, and how many remain; return the node."""

    def scatter(self, client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any) -> scattered[T]:
        """Move elements to an engine: threads, processes or a cluster; see :class:`thalweg.parallel.scatter`."""

    def to_batch(self, **kwargs: Any) -> Batch:
        """Convert a stream of lists or tuples to a :class:`~thalweg.batch.Batch`."""

    def to_dataframe(self, example: Any, n: int | None = None, interval: Any = None) -> Any:
        """Convert a stream of data frames that look like `example`, or of single rows, to a streaming data frame."""

    def trace(self, one_in: int = 1, provider: Any = None) -> Stream[T]:
        """Trace elements by OpenTelemetry, from emission to the last sink; return the node."""

    def untrace(self) -> Stream[T]:
        """Stop tracing elements of the pipeline, and return the node; elements in flight are traced to their end."""

    def visualize(self, filename: str | PathLike[str] | None = ..., **kwargs: Any) -> Any:
        """Draw the pipeline to a file or for the notebook; see :func:`thalweg.graph.visualize`."""
