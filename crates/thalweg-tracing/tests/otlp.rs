//! One trace from an HTTP request through a pipeline and a worker process to a sink, as seen by an OTLP collector.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use thalweg::Stream;
use thalweg::trace::{TraceContext, current_context};
use thalweg_io::HttpRequest;
use thalweg_io::http_server::{FromHttpRequests, HttpServer, Respond};
use thalweg_tasks::{Client, Processes, Scatter, init_worker, remote};
use thalweg_tracing::Spans;
use tracing_subscriber::layer::SubscriberExt;

const BOUND: Duration = Duration::from_secs(60);

remote! {
    fn price(order: u32, traceparent: Option<String>, collector: String) -> u32 {
        let price = order * 2;
        let Some(context) = TraceContext::of_headers(traceparent.as_deref(), None) else {
            return price;
        };
        let exports = Exports::to(&collector);
        drop(thalweg_tracing::resume("price", &context).entered());
        exports.end();
        price
    }
}

/// Exports the spans of this process to a collector.
struct Exports(SdkTracerProvider);

impl Exports {
    fn to(collector: &str) -> Self {
        // If web clients share the build, the exporter has no TLS provider. One may be installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("http://{collector}/v1/traces"))
            .build()
            .expect("an exporter");
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        Self(provider)
    }

    fn end(self) {
        self.0.force_flush().expect("the collector is there");
    }
}

/// A collector: the received bodies.
fn collector() -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let addr = listener.local_addr().expect("it has one");
    let (tells, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tells = tells.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(body) = read_request(&mut reader) {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                    let told = serde_json::from_slice(&body).map(|body| tells.send(body));
                    if told.is_err() || reader.get_mut().write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (addr, told)
}

fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// A span as received by the collector.
#[derive(Clone, Debug)]
struct Line {
    name: String,
    trace: String,
    id: String,
    parent: String,
    process: bool,
}

fn lines(body: &Value) -> Vec<Line> {
    let all = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut found = Vec::new();
    for resource in all(body, "resourceSpans") {
        for scope in all(&resource, "scopeSpans") {
            for span in all(&scope, "spans") {
                let attributes = all(&span, "attributes");
                found.push(Line {
                    name: text(&span["name"]),
                    trace: text(&span["traceId"]),
                    id: text(&span["spanId"]),
                    parent: text(&span["parentSpanId"]),
                    process: attributes.iter().any(|each| each["key"] == "process"),
                });
            }
        }
    }
    found
}

fn main() {
    init_worker();
    let (addr, told) = collector();
    let exports = Exports::to(&addr.to_string());
    let processes = Processes::start(1).expect("a process");
    let threads = Client::threads(1).expect("a thread");

    let server = HttpServer::new(0);
    let port = server.listen().expect("a port is free").port();
    let requests = Stream::from_http_requests(server);
    let orders = requests.map(|request: HttpRequest| request.text().parse::<u32>().unwrap_or(0));
    let on_threads = orders
        .named("orders")
        .scatter(&threads)
        .map(|order| order + 1);
    let workers = processes.clone();
    let prices = on_threads.buffer(5).gather().map_async(4, move |order| {
        let trace = current_context().map(|trace| trace.to_string());
        let priced = workers.submit::<price>((order, trace, addr.to_string()));
        async move { priced.await.expect("it is a product") }
    });
    let texts = prices.named("prices").map(|price| price.to_string());
    texts.respond().stream().clone().named("answers");
    requests.trace(Spans::of("shop"), 0);
    requests.start().expect("it is open");

    // One request without a trace, and one with.
    assert!(ask(port, "1", "").ends_with("\r\n\r\n4"));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert!(ask(port, "20", &format!("traceparent: {parent}\r\n")).ends_with("\r\n\r\n42"));
    requests.drain("1 min").wait().expect("all is delivered");
    exports.end();

    let mut found: HashMap<String, Line> = HashMap::new();
    let end = Instant::now() + BOUND;
    while !(found.contains_key("price") && found.contains_key("answers")) {
        let body = told.recv_timeout(end.saturating_duration_since(Instant::now()));
        let body = body.unwrap_or_else(|_| panic!("not all has come: {found:#?}"));
        for line in lines(&body) {
            assert_eq!(line.trace, "0af7651916cd43dd8448eb211c80319c", "{line:?}");
            found.insert(line.name.clone(), line);
        }
    }
    let roots: Vec<_> = found
        .values()
        .filter(|line| line.parent == "b7ad6b7169203331")
        .collect();
    assert_eq!(roots.len(), 1, "{found:#?}");
    // Each span leads to the request.
    for name in ["price", "answers", "orders"] {
        let mut at = &found[name];
        for _ in 0..found.len() {
            match found.values().find(|line| line.id == at.parent) {
                Some(above) => at = above,
                None => break,
            }
        }
        assert_eq!(at.id, roots[0].id, "{name}: {found:#?}");
    }
    let by_id = |id: &str| {
        found
            .values()
            .find(|line| line.id == id)
            .map(|line| line.name.as_str())
    };
    assert_eq!(by_id(&found["price"].parent), Some("prices"), "{found:#?}");
    assert!(found["price"].process);
    assert!(
        found.keys().any(|name| name.starts_with("run ")),
        "{found:#?}"
    );
    println!("one trace of {} spans: ok", found.len());
}

fn ask(port: u16, body: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(BOUND)).expect("a time");
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
