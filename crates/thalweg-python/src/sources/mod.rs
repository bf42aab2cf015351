//! Sources written in Rust, for pipelines in Python: `bridge` runs any of them, `text`, `names`, `times`, `web`,
//! `http_server`, `fetch`, `kafka`, `mongodb`, `mqtt`, `nats`, `redis`, `dead_letters`, `files`, `remote`, `tcp` and
//! `websocket` make them of Python's arguments.

mod asgi;
pub(crate) mod bridge;
mod dead_letters;
mod error;
mod fetch;
mod files;
mod http_server;
mod kafka;
#[cfg(feature = "mongodb")]
mod mongodb;
mod mqtt;
mod names;
mod nats;
mod redis;
mod remote;
mod tcp;
mod text;
mod times;
mod wake;
mod web;
mod websocket;

use pyo3::prelude::*;

use crate::gil;

/// Adds the sources to their module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<bridge::RustSource>()?;
    module.add_class::<text::LineSplitter>()?;
    module.add_class::<fetch::FetchSettings>()?;
    module.add_function(wrap_pyfunction!(fetch::fetch, module)?)?;
    module.add_function(wrap_pyfunction!(fetch::to_http, module)?)?;
    module.add_class::<dead_letters::DeadLetters>()?;
    module.add_class::<dead_letters::DeadLetterEnd>()?;
    module.add_function(wrap_pyfunction!(dead_letters::to_dead_letters, module)?)?;
    module.add_class::<kafka::KafkaBroker>()?;
    module.add_class::<kafka::KafkaTopics>()?;
    module.add_class::<kafka::KafkaEnd>()?;
    module.add_class::<kafka::KafkaProducer>()?;
    module.add_class::<kafka::KafkaTransactions>()?;
    module.add_function(wrap_pyfunction!(kafka::to_kafka, module)?)?;
    module.add_function(wrap_pyfunction!(kafka::to_kafka_in_transactions, module)?)?;
    #[cfg(feature = "mongodb")]
    module.add_class::<mongodb::MongoDbCollection>()?;
    module.add_class::<mqtt::MqttTopic>()?;
    module.add_class::<mqtt::MqttEnd>()?;
    module.add_class::<nats::NatsSubject>()?;
    module.add_class::<nats::NatsEnd>()?;
    module.add_class::<redis::RedisKey>()?;
    module.add_class::<redis::RedisEnd>()?;
    module.add_class::<asgi::HttpApp>()?;
    module.add_class::<asgi::HttpCall>()?;
    module.add_class::<http_server::HttpServer>()?;
    module.add_class::<http_server::HttpReply>()?;
    module.add_function(wrap_pyfunction!(http_server::respond, module)?)?;
    module.add_class::<files::FileFormat>()?;
    module.add_class::<files::FileNames>()?;
    module.add_function(wrap_pyfunction!(files::to_files, module)?)?;
    module.add_function(wrap_pyfunction!(files::json_lines, module)?)?;
    module.add_function(wrap_pyfunction!(files::csv_records, module)?)?;
    module.add_function(wrap_pyfunction!(files::messages, module)?)?;
    module.add_class::<remote::RemoteSettings>()?;
    module.add_function(wrap_pyfunction!(remote::check_remote_url, module)?)?;
    module.add_function(wrap_pyfunction!(remote::read_url, module)?)?;
    module.add_function(wrap_pyfunction!(remote::write_url, module)?)?;
    module.add_function(wrap_pyfunction!(remote::from_url, module)?)?;
    module.add_class::<websocket::WebSocketServer>()?;
    module.add_class::<websocket::WebSocketUrl>()?;
    module.add_class::<tcp::TcpServer>()?;
    module.add_function(wrap_pyfunction!(tcp::to_tcp, module)?)?;
    module.add_function(wrap_pyfunction!(text::text_file, module)?)?;
    module.add_function(wrap_pyfunction!(text::pipe, module)?)?;
    module.add_function(wrap_pyfunction!(text::open_pipe, module)?)?;
    module.add_function(wrap_pyfunction!(text::output, module)?)?;
    module.add_function(wrap_pyfunction!(times::schedule, module)?)?;
    module.add_function(wrap_pyfunction!(names::file_names, module)?)?;
    module.add_function(wrap_pyfunction!(web::http_lines, module)?)?;
    module.add_function(wrap_pyfunction!(web::http_poll, module)?)?;
    module.add_function(wrap_pyfunction!(web::server_sent_events, module)?)
}

/// Writes a warning to the package's log.
pub(crate) fn warn(text: &str) {
    gil::attach(|py| {
        let logged = py.import("thalweg.errors").and_then(|errors| {
            let logger = errors.call_method0("logger")?;
            logger.call_method1("warning", ("%s", text))
        });
        // A handler of the user's that fails is no failure of a source.
        drop(logged);
    });
}
