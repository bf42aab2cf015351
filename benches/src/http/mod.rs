//! Requests through a pipeline beside bare axum. The clients are in another process, on connections that are kept.

mod download;
mod load;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use thalweg::Stream;
use thalweg_io::{HttpServer, prelude::*};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub(crate) use self::download::serve;
pub(crate) use self::load::{Load, run};
use crate::measure::{Pair, resident};
use crate::report::{Line, speed};

/// Connections of the throughput cases, each with one request at a time.
const CONNECTIONS: usize = 32;

/// Open connections of the case of many.
const OPEN: usize = 10_000;

/// Seconds for which each of those sends a request per second.
const SECONDS: u64 = 10;

/// Timeout for the end of a pipeline.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures the cases.
pub(crate) fn lines(quick: bool, chosen: impl Fn(&str) -> bool) -> Vec<Line> {
    let (requests, rounds) = if quick { (20_000, 3) } else { (200_000, 9) };
    let mut lines = Vec::new();
    let mut compare = |name, case, ours: Build, peer: fn(Count) -> Router, target| {
        if chosen(name) {
            let pair = Pair::measure(
                rounds,
                || of_pipeline(requests, ours),
                || of_axum(requests, peer),
            );
            lines.push(speed(case, "axum", target, &pair));
        }
    };
    compare(
        "http-in",
        "`from_http_server` → `map` → sink, per request",
        sized,
        sized_by_axum,
        (0.8, "0.8 of its speed"),
    );
    compare(
        "http-reply",
        "`from_http_requests` → `map` → `respond`, per request",
        answered,
        answered_by_axum,
        (0.7, "0.7 of its speed"),
    );
    if chosen("http-connections") && !quick {
        lines.push(many_connections());
    }
    if chosen("http-download") {
        lines.extend(download::line(quick));
    }
    lines
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.expect("the system starts threads")
}

/// A client process that sends `requests`.
fn clients(port: u16, requests: u64) -> Child {
    let load = Load {
        port,
        connections: CONNECTIONS,
        requests,
        interval: None,
    };
    start(&load)
}

fn start(load: &Load) -> Child {
    start_itself(&load.arguments())
}

fn start_itself(arguments: &[String]) -> Child {
    let program = std::env::current_exe().expect("this program has a name");
    let child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn();
    child.expect("the system starts processes")
}

/// Starts itself as a server; returns its port as well.
fn start_with(arguments: &[String]) -> (Child, u16) {
    let mut server = start_itself(arguments);
    let line = first_line(&mut server);
    let port = line.trim_end().parse().expect("it prints its port");
    (server, port)
}

fn first_line(child: &mut Child) -> String {
    let output = child.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    let read = BufReader::new(output).read_line(&mut line);
    read.expect("it is text");
    line
}

/// What the clients print: nanoseconds per request, or the latencies.
fn said(mut clients: Child) -> String {
    let line = first_line(&mut clients);
    let status = clients.wait().expect("it is a child");
    assert!(status.success(), "a client has failed");
    line.trim_end().to_owned()
}

fn per_request(clients: Child) -> f64 {
    said(clients).parse().expect("it is a number")
}

/// Counts what a sink gets.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Builds a pipeline, and returns what to start and drain.
type Build = fn(&HttpServer, Count) -> Box<dyn Pipeline>;

trait Pipeline {
    fn start(&self);
    fn drain(&self, runtime: &Runtime);
}

impl<T: thalweg::Element> Pipeline for Stream<T> {
    fn start(&self) {
        Self::start(self).expect("the source starts");
    }

    fn drain(&self, runtime: &Runtime) {
        runtime.block_on(Self::drain(self, LIMIT)).expect("it ends");
    }
}

fn sized(server: &HttpServer, count: Count) -> Box<dyn Pipeline> {
    let bodies = Stream::from_http_server(server.clone());
    bodies.map(|body| body.len()).sink(move |_| count.add());
    Box::new(bodies)
}

fn answered(server: &HttpServer, count: Count) -> Box<dyn Pipeline> {
    let requests = Stream::from_http_requests(server.clone());
    let lengths = requests.map(move |request| {
        count.add();
        request.body.len().to_string()
    });
    lengths.respond();
    Box::new(requests)
}

fn of_pipeline(requests: u64, build: Build) -> f64 {
    let runtime = runtime();
    let (server, count) = (HttpServer::new(0), Count::default());
    let port = server.listen().expect("there is a port").port();
    let pipeline = runtime.block_on(async {
        let pipeline = build(&server, count.clone());
        pipeline.start();
        pipeline
    });
    let time = per_request(clients(port, requests));
    pipeline.drain(&runtime);
    assert_eq!(count.0.load(Ordering::Relaxed), requests + warm_up());
    time
}

fn warm_up() -> u64 {
    (CONNECTIONS * load::WARM_UP) as u64
}

fn sized_by_axum(count: Count) -> Router {
    let handler = move |body: Bytes| {
        let (count, len) = (count.clone(), body.len());
        async move {
            assert!(len > 0, "bodies are not empty");
            count.add();
        }
    };
    Router::new().route("/", post(handler))
}

fn answered_by_axum(count: Count) -> Router {
    let handler = move |body: Bytes| {
        let count = count.clone();
        async move {
            count.add();
            body.len().to_string()
        }
    };
    Router::new().route("/", post(handler))
}

fn of_axum(requests: u64, build: fn(Count) -> Router) -> f64 {
    let runtime = runtime();
    let count = Count::default();
    let (router, listener) = (
        build(count.clone()),
        runtime.block_on(TcpListener::bind("127.0.0.1:0")),
    );
    let listener = listener.expect("there is a port");
    let port = listener.local_addr().expect("it has one").port();
    runtime.spawn(async move { axum::serve(listener, router).await });
    let time = per_request(clients(port, requests));
    runtime.shutdown_background();
    assert_eq!(count.0.load(Ordering::Relaxed), requests + warm_up());
    time
}

/// Many open connections, on each of which a request comes every second.
fn many_connections() -> Line {
    let runtime = runtime();
    let server = HttpServer::new(0).max_connections(OPEN + 1);
    let (port, count) = (
        server.listen().expect("there is a port").port(),
        Count::default(),
    );
    let pipeline = runtime.block_on(async {
        let pipeline = answered(&server, count.clone());
        pipeline.start();
        pipeline
    });
    let clients = start(&Load {
        port,
        connections: OPEN,
        requests: OPEN as u64 * SECONDS,
        interval: Some(Duration::from_secs(1)),
    });
    let begin = Instant::now();
    let mut most = 0;
    let output = thread::spawn(move || said(clients));
    while !output.is_finished() {
        assert!(begin.elapsed() < LIMIT, "not all requests are answered");
        most = most.max(resident().unwrap_or_default());
        thread::sleep(Duration::from_millis(50));
    }
    let latencies = output.join().expect("the clients succeed");
    pipeline.drain(&runtime);
    let mebibytes = most / (1024 * 1024);
    Line {
        case: "10,000 open connections, each with a request per second: latency; memory of the server",
        ours: format!("{latencies}; {mebibytes} MiB"),
        peer: "—".to_owned(),
        ratio: "—".to_owned(),
        target: "all served, in 300 MB",
        met: Some(most < 300_000_000),
    }
}
