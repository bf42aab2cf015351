//! Sources and sinks for [thalweg] pipelines.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_io::{TextFile, prelude::*};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (readings, report, rejects) =
//! #     (dir.path().join("readings.csv"), dir.path().join("report.txt"), dir.path().join("rejects.txt"));
//! std::fs::write(&readings, "20.5\n20.7\n?\n21.2\n")?;
//!
//! let lines = Stream::from_textfile(TextFile::new(&readings).until_end());
//! let numbers = lines.try_map(|line| line.parse::<f64>());
//! let highest = numbers.scan(f64::MIN, |highest, x| x.max(*highest));
//! highest.map(|x| x.to_string()).sink_to_textfile(&report);
//! numbers.errors().map(|failure| failure.to_string()).sink_to_textfile(&rejects);
//! lines.run("10s").wait()?;
//!
//! assert_eq!(std::fs::read_to_string(&report)?, "20.5\n20.7\n21.2\n");
//! assert!(std::fs::read_to_string(&rejects)?.ends_with("invalid float literal\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without [`until_end`](TextFile::until_end) the source follows the file as it grows, and through rotations;
//! [`drain`](thalweg::Stream::drain) ends that.
//!
//! # What there is
//!
//! | module, and feature | source | sink | elements |
//! |---|---|---|---|
//! | `dead_letters`, off by default | `from_dead_letters` | `to_dead_letters` | failures, letters |
//! | [`textfile`] | [`from_textfile`](textfile::FromTextFile::from_textfile) | [`sink_to_textfile`](textfile::SinkToTextFile::sink_to_textfile) | lines |
//! | `files`, `csv` and `parquet`, off by default | `from_jsonl`, `from_csv`, `from_parquet`, `from_records` | `to_files`, `to_jsonl`, `to_csv`, `to_parquet` | lines; values; batches of rows |
//! | [`filenames`] | [`filenames`](filenames::FromFilenames::filenames) | | paths |
//! | [`fetch`](mod@fetch) | [`fetch`](fetch::FetchUrls::fetch), of URLs | | responses |
//! | [`fetch`](mod@fetch) | | [`to_http`](fetch::ToHttp::to_http) | bodies |
//! | `http_server`, off by default | `from_http_server` | | bodies |
//! | `http_server`, off by default | `from_http_requests` | `respond` | requests, responses |
//! | [`process`] | [`from_process`](process::FromProcess::from_process) | | lines |
//! | [`http_client`] | [`from_http_lines`](http_client::FromHttpLines::from_http_lines) | | lines |
//! | [`http_client`] | [`from_http_poll`](http_client::FromHttpPoll::from_http_poll) | | bodies |
//! | `kafka`, off by default | `from_kafka`, `from_kafka_batches` | `to_kafka`, `send_to_kafka` | messages |
//! | `mongodb`, off by default | `from_mongodb` | `to_mongodb` | changes, documents; what serde makes documents of |
//! | `mqtt`, off by default | `from_mqtt` | `to_mqtt` | messages; texts, bytes |
//! | `nats`, off by default | `from_nats` | `to_nats` | messages; texts, bytes |
//! | [`mod@reader`] | [`from_reader`](reader::FromReader::from_reader) | | lines |
//! | `redis`, off by default | `from_redis_stream`, `from_redis_list` | `to_redis_stream`, `to_redis_list` | entries; texts, bytes |
//! | `remote`, with `remote-s3`, `remote-ftp`, `remote-sftp`, off by default | `from_url`; `read_url`, of URLs | `write_url` | chunks, lines, records; whole files |
//! | `schedule`, off by default | `from_schedule` | | times |
//! | `tcp`, off by default | `from_tcp` | `to_tcp` | lines, or messages behind their lengths |
//! | `sql`, with `sqlite` or `postgres`, off by default | `from_sql` | `to_sql` | rows |
//! | `websocket`, off by default | `from_websocket` | `to_websocket` | messages: text or bytes |
//! | [`sse`] | [`from_sse`](sse::FromSse::from_sse) | | events |
//! | [`stdin`], with `reader` | [`from_stdin`](stdin::FromStdin::from_stdin) | | lines |
//!
//! Everything that gives lines takes a [`Lines`], which says what ends one, how long one may be, and whether it is text
//! or bytes. The methods come with the [`prelude`]. All features but `schedule`, `sqlite`, `kafka`, `mongodb`, `mqtt`,
//! `nats`, `redis`, `remote`, `dead-letters`, `http-server`, and `http-client` with `sse`, which brings it, are on by default;
//! `tokio`, on too, brings the event loops of thalweg. What talks to the web does so on a tokio runtime of its own,
//! with TLS by rustls; it installs rustls' provider `ring` unless the program has installed another.
//!
//! # What they do
//!
//! - Bounded memory: files are read 64 KiB at a time, processes and readers at most 320 KiB ahead of the pipeline, and
//!   no line is longer than [`Lines::max_len`]. Back pressure reaches files and processes.
//! - No loss: stopped and started again, a source continues with the line after the last one emitted. (A process is
//!   killed, and started anew.)
//! - One invalid line is one failure of the source's node, handled by its policy like any other: it can be
//!   [skipped](thalweg::OnError::Skip) or go to [dead letters](thalweg::Stream::errors). The source continues. Errors
//!   that end it, such as a missing file or a process that exits with an error, are reported by `drain` and by
//!   [`on_unhandled`](thalweg::Stream::on_unhandled).
//! - Files are checked when the system reports a change, with the feature `file-events`, which is on by default.
//!   Otherwise, and on network file systems, behind links and on a virtual clock, every 100 ms.
//! - Waits use the pipeline's clock: files can be followed for an hour of [virtual time](thalweg::VirtualClock) in a
//!   millisecond. Processes, readers and standard input write from threads or processes that ignore that clock; they
//!   need a real one.
//!
//! # What they don't do
//!
//! - Positions are kept in memory, not on disk, unless a source is given a [`Position`] of a database: otherwise a
//!   restarted program begins anew, or [from the end](TextFile::from_end).
//! - No decompression, no parsing of fields: for these, [`Stream::from_reader`](reader::FromReader::from_reader) takes
//!   the readers of other crates.

#[cfg(any(
    feature = "http-client",
    feature = "http-server",
    feature = "kafka",
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "tcp"
))]
mod background;
#[cfg(any(
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "websocket"
))]
mod capacity;
#[cfg(any(feature = "mqtt", feature = "nats", feature = "redis"))]
mod closer;
#[cfg(feature = "dead-letters")]
pub mod dead_letters;
#[cfg(feature = "http-client")]
pub mod fetch;
#[cfg(feature = "file-events")]
pub mod file_events;
#[cfg(feature = "filenames")]
pub mod filenames;
#[cfg(feature = "files")]
pub mod files;
#[cfg(any(feature = "tcp", feature = "files"))]
mod framing;
#[cfg(all(
    test,
    feature = "csv",
    feature = "dead-letters",
    feature = "http-server",
    feature = "sse",
    feature = "websocket"
))]
mod fuzz;
#[cfg(any(feature = "http-client", feature = "http-server"))]
mod http;
#[cfg(feature = "http-client")]
pub mod http_client;
#[cfg(feature = "http-server")]
pub mod http_server;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(any(
    feature = "textfile",
    feature = "reader",
    feature = "http-client",
    feature = "tcp"
))]
pub mod lines;
#[cfg(any(feature = "http-server", feature = "tcp"))]
mod listening;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(all(test, unix, feature = "http-server", feature = "sse"))]
mod network_tests;
#[cfg_attr(
    not(feature = "sql"),
    allow(dead_code, reason = "databases keep positions")
)]
pub mod position;
pub mod prelude;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "reader")]
pub mod reader;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(any(
    feature = "files",
    feature = "kafka",
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "sql",
    feature = "tcp"
))]
mod reply;
#[cfg(any(
    feature = "kafka",
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "tcp",
    feature = "websocket"
))]
#[cfg_attr(
    not(any(
        feature = "mongodb",
        feature = "mqtt",
        feature = "nats",
        feature = "redis",
        feature = "tcp"
    )),
    allow(dead_code, reason = "Kafka's client has retries of its own")
)]
pub mod retries;
#[cfg(feature = "http-client")]
mod saving;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "sse")]
pub mod sse;
#[cfg(feature = "reader")]
pub mod stdin;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(test)]
#[cfg_attr(
    not(all(
        feature = "http-client",
        feature = "kafka",
        feature = "mongodb",
        feature = "mqtt",
        feature = "nats",
        feature = "redis",
        feature = "sqlite",
        feature = "sse",
        feature = "websocket"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "each system's tests use what they need"
    )
)]
mod testing;
#[cfg(feature = "textfile")]
pub mod textfile;
#[cfg(feature = "tls")]
mod tls;
#[cfg(any(feature = "textfile", feature = "filenames"))]
mod watch;
#[cfg(feature = "http-client")]
mod web;
#[cfg(feature = "websocket")]
pub mod websocket;

#[cfg(any(feature = "http-client", feature = "http-server"))]
pub use self::http::{
    HeaderMap, HeaderName, HeaderValue, HttpBody, HttpRequest, HttpResponse, Method,
};
#[cfg(feature = "dead-letters")]
pub use dead_letters::{DeadLetter, DeadLetters};
#[cfg(feature = "http-client")]
pub use fetch::{Fetch, HttpSink};
#[cfg(feature = "filenames")]
pub use filenames::{Filenames, FilenamesError};
#[cfg(feature = "files")]
pub use files::{FileError, Files};
#[cfg(feature = "http-client")]
pub use http_client::{HttpError, HttpLines, HttpPoll};
#[cfg(feature = "http-server")]
pub use http_server::{HttpServer, HttpServerError};
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, KafkaError, KafkaMessage, KafkaRecord, KafkaSink, KafkaTransactions};
#[cfg(any(
    feature = "textfile",
    feature = "reader",
    feature = "http-client",
    feature = "tcp"
))]
pub use lines::{LineBuffer, LineError, Lines};
#[cfg(feature = "mongodb")]
pub use mongodb::{MongoDb, MongoDbChange, MongoDbError, MongoDbOperation};
#[cfg(feature = "mqtt")]
pub use mqtt::{Mqtt, MqttError, MqttMessage};
#[cfg(feature = "nats")]
pub use nats::{Nats, NatsError, NatsMessage, NatsRecord};
pub use position::{Overdue, Position, PositionError};
#[cfg(feature = "process")]
pub use process::{Process, ProcessError};
#[cfg(feature = "reader")]
pub use reader::{Reader, ReaderError};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisEntry, RedisError};
#[cfg(feature = "remote")]
pub use remote::{
    Checksum, Remote, RemoteContent, RemoteError, RemoteFile, RemoteObject, UrlSource,
};
#[cfg(feature = "schedule")]
pub use schedule::{Missed, Schedule, ScheduleError};
#[cfg(feature = "sql")]
pub use sql::{Database, Query, SqlError, SqlRow, SqlValue, Table};
#[cfg(feature = "sse")]
pub use sse::{Sse, SseError, SseEvent};
#[cfg(feature = "reader")]
pub use stdin::{Stdin, StdinError};
#[cfg(feature = "tcp")]
pub use tcp::{TcpClient, TcpError, TcpServer};
#[cfg(feature = "textfile")]
pub use textfile::{TextFile, TextFileError, TextFileSink};
#[cfg(feature = "http-client")]
pub use web::{RequestOptions, WebError};
#[cfg(feature = "websocket")]
pub use websocket::{WebSocketClient, WebSocketError, WebSocketMessage, WebSocketServer};

/// The examples of the project's README, as tests.
#[cfg(all(doctest, feature = "textfile"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// The programs of the guide.
#[cfg(all(doctest, feature = "kafka"))]
#[doc = include_str!("../../../docs/guides/laptop-to-cluster.md")]
mod laptop_to_cluster {}
