//! The pages as a browser receives them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use thalweg::view::{Counters, GraphView, NodeView, PositionView};
use thalweg::{Failure, OnError, Stream};
use thalweg_dashboard::{
    Builder, Cause, Dashboard, Engine, Metrics, Observe, Outcome, Pipeline, Run, Task, Worker,
    serve,
};

const BOUND: Duration = Duration::from_secs(60);

fn connect(dashboard: &Dashboard) -> TcpStream {
    let stream = TcpStream::connect(dashboard.addr()).expect("it listens");
    stream.set_read_timeout(Some(BOUND)).expect("a time");
    stream
}

/// Requests a page with this `Host`; returns the whole response.
fn ask(dashboard: &Dashboard, path: &str, host: &str) -> String {
    let mut stream = connect(dashboard);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn get(dashboard: &Dashboard, path: &str) -> String {
    let answer = ask(dashboard, path, "localhost");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    body.to_string()
}

fn info(dashboard: &Dashboard) -> Value {
    serde_json::from_str(&get(dashboard, "/info")).expect("it is JSON")
}

/// Emits into a pipeline with a node that fails on zero.
fn watched() -> (Dashboard, Stream<i32>) {
    let dashboard = serve("127.0.0.1:0").expect("a port is free");
    let source = Stream::new().named("numbers <script>alert(1)</script>");
    let inverted = source.try_map(|x: &i32| {
        if *x == 0 {
            Err("it is <zero>")
        } else {
            Ok(60 / x)
        }
    });
    inverted
        .named("inverted")
        .on_error(OnError::Skip)
        .sink(drop);
    dashboard.watch("orders & more", &source);
    (dashboard, source)
}

#[test]
fn a_pipeline_is_shown_with_its_counters_and_failures() {
    let (dashboard, source) = watched();
    source
        .emit_many([1, 2, 0, 3])
        .wait()
        .expect("failures are skipped");

    let seen = info(&dashboard);
    let nodes = seen["pipelines"][0]["nodes"].as_array().expect("nodes");
    assert_eq!(seen["pipelines"][0]["name"], "orders & more");
    let inverted = nodes
        .iter()
        .find(|node| node["name"] == "inverted")
        .expect("it is there");
    let counters = ["received", "sent", "failed", "held"].map(|name| inverted[name].as_u64());
    assert_eq!(counters, [Some(4), Some(3), Some(1), Some(0)]);
    assert_eq!(
        seen["pipelines"][0]["edges"].as_array().map(Vec::len),
        Some(2)
    );

    let status = get(&dashboard, "/status");
    assert!(status.contains("orders &amp; more") && status.contains("<svg"));
    assert!(!status.contains("<script>alert") && status.contains("&lt;script&gt;"));
    let node = format!("/node/{}/{}", seen["pipelines"][0]["id"], inverted["id"]);
    assert!(status.contains(&format!("href=\"{node}\"")), "{status}");
    let node = get(&dashboard, &node);
    assert!(
        node.contains("it is &lt;zero&gt;") && node.contains("element 3"),
        "{node}"
    );
    assert!(get(&dashboard, "/failures").contains("it is &lt;zero&gt;"));
    assert!(get(&dashboard, "/graph").contains("<svg"));
}

#[test]
fn metrics_match_the_counters() {
    let (dashboard, source) = watched();
    source
        .emit_many([1, 2, 0])
        .wait()
        .expect("failures are skipped");
    let answer = ask(&dashboard, "/metrics", "localhost");
    assert!(answer.contains("application/openmetrics-text; version=1.0.0"));
    let line = |start: &str, end: &str| {
        let found = answer
            .lines()
            .any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start} … {end}\n{answer}");
    };
    line(
        "thalweg_elements_total{pipeline=\"orders & more\",node=\"inverted\"",
        "direction=\"in\"} 3",
    );
    line(
        "thalweg_elements_total{pipeline=\"orders & more\",node=\"inverted\"",
        "direction=\"out\"} 2",
    );
    line(
        "thalweg_failures_total{pipeline=\"orders & more\",node=\"inverted\"",
        "} 1",
    );
    line("thalweg_held_elements{", "} 0");
    line("thalweg_waited_seconds_total{", "} 0.0");
    assert!(answer.trim_end().ends_with("# EOF"));
}

#[test]
fn elements_are_timed_after_the_first_visit() {
    let source = Stream::new();
    source.map(|x: i32| x).named("inverted").sink(drop);
    let metrics = Metrics::default();
    metrics.watch("orders", &source);
    source.emit(1).wait().expect("taken");
    let text = metrics.text().expect("it is written");
    assert!(text.contains("# TYPE thalweg_latency_seconds histogram\n"));
    assert!(!text.contains("thalweg_latency_seconds_count{"));
    source.emit(3).wait().expect("taken");
    let text = metrics.text().expect("it is written");
    for start in ["bucket{le=\"+Inf\",", "count{"] {
        let start = format!("thalweg_latency_seconds_{start}pipeline=\"orders\",node=\"inverted\"");
        let mut lines = text.lines();
        assert!(
            lines.any(|line| line.starts_with(&start) && line.ends_with("} 1")),
            "{start}\n{text}"
        );
    }
}

/// A pipeline of one node that between two samples releases ten elements held for four seconds in total.
#[derive(Default)]
struct Slow(AtomicU64);

impl Observe for Slow {
    fn pipelines(&self) -> Vec<Pipeline> {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        let mut counters = Counters::default();
        counters.received = 10 * looks + 3;
        counters.held = 3;
        counters.waited = Duration::from_secs(4 * looks);
        let node = NodeView::new(1, "slow", "sink").with_counters(counters);
        vec![Pipeline {
            id: 7,
            name: "orders".into(),
            graph: Some(GraphView::new(vec![node], Vec::new())),
        }]
    }
}

#[test]
fn the_wait_time_of_elements_is_shown() {
    let dashboard = Builder::new().observe(Slow::default());
    let dashboard = dashboard.serve("127.0.0.1:0").expect("a port is free");
    let wait = || info(&dashboard)["pipelines"][0]["nodes"][0]["mean_wait_seconds"].clone();
    assert_eq!(wait(), Value::Null, "it has been looked at once");
    let end = Instant::now() + BOUND;
    while wait().is_null() {
        assert!(Instant::now() < end, "it is looked at but once");
        std::thread::yield_now();
    }
    assert_eq!(wait(), 0.4);
    assert!(get(&dashboard, "/status").contains("<td class=\"number\">400 ms</td>"));
    assert!(get(&dashboard, "/node/7/1").contains("<dd>400 ms</dd>"));
}

#[test]
fn foreign_hosts_methods_and_paths_are_refused() {
    let (dashboard, _source) = watched();
    for path in ["/status", "/info", "/live/status", "/metrics", "/style.css"] {
        let answer = ask(&dashboard, path, "evil.example");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(!answer.contains("orders"));
    }
    let named = Builder::new()
        .host("box.example")
        .serve("127.0.0.1:0")
        .expect("served");
    assert!(ask(&named, "/health", "box.example:80").starts_with("HTTP/1.1 200 "));
    assert!(ask(&dashboard, "/nowhere", "localhost").starts_with("HTTP/1.1 404 "));
    assert!(ask(&dashboard, "/node/1/2", "localhost").starts_with("HTTP/1.1 404 "));
    assert!(ask(&dashboard, "/node/1/x", "localhost").starts_with("HTTP/1.1 400 "));
    let mut stream = connect(&dashboard);
    stream
        .write_all(b"POST /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let status = ask(&dashboard, "/status", "localhost");
    assert!(status.contains("content-security-policy: default-src 'none'"));
    assert!(status.contains("cache-control: no-store"));
}

/// The data of the next event, with its lines joined.
fn next_event(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    let mut data = Vec::new();
    for line in lines {
        let line = line.expect("the connection holds");
        match line.strip_prefix("data: ") {
            Some(part) => data.push(part.to_string()),
            None if line.is_empty() && !data.is_empty() => break,
            None => {}
        }
    }
    data.join("\n")
}

#[test]
fn an_open_page_is_sent_changes() {
    let (dashboard, source) = watched();
    let mut stream = connect(&dashboard);
    write!(
        stream,
        "GET /live/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .expect("sent");
    let mut lines = BufReader::new(stream).lines();
    assert!(next_event(&mut lines).contains("numbers"));
    source
        .emit_many(std::iter::repeat_n(1, 4321))
        .wait()
        .expect("taken");
    while !next_event(&mut lines).contains("4321") {}
}

#[test]
fn the_number_of_open_pages_is_limited() {
    let (dashboard, _source) = watched();
    let open = || {
        let mut stream = connect(&dashboard);
        write!(
            stream,
            "GET /live/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .expect("sent");
        let mut lines = BufReader::new(stream);
        let mut first = String::new();
        lines.read_line(&mut first).expect("an answer");
        (first, lines)
    };
    let mut kept: Vec<_> = (0..100).map(|_| open()).collect();
    assert!(
        kept.iter()
            .all(|(first, _)| first.starts_with("HTTP/1.1 200 "))
    );
    assert!(open().0.starts_with("HTTP/1.1 503 "));
    assert!(get(&dashboard, "/status").contains("orders"));
    kept.clear();
    // A place becomes free when the server notices the disconnect.
    let end = Instant::now() + BOUND;
    while !open().0.starts_with("HTTP/1.1 200 ") {
        assert!(
            Instant::now() < end,
            "the places of those who have gone stay taken"
        );
        std::thread::yield_now();
    }
}

#[test]
fn the_positions_of_a_source_are_shown() {
    let dashboard = serve("127.0.0.1:0").expect("a port is free");
    let source = Stream::<i32>::new().named("orders");
    source.show_positions(|_now| {
        let mut first = PositionView::new("orders/0");
        first.value = Some("41".into());
        first.unacknowledged = 3;
        first.oldest = Some(Duration::from_millis(2_500));
        let mut second = PositionView::new("a feed");
        second.value = Some("event-<7>".into());
        vec![first, second]
    });
    dashboard.watch("kafka", &source);
    let page = get(&dashboard, &format!("/node/{0}/{0}", source.node_id()));
    for text in [
        "orders/0",
        "<td>41</td>",
        ">3</td>",
        "2.5 s",
        "event-&lt;7&gt;",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let metrics = get(&dashboard, "/metrics");
    let labels = |position: &str| {
        let id = source.node_id();
        format!("{{pipeline=\"kafka\",node=\"orders\",id=\"{id}\",position=\"{position}\"}}")
    };
    let (first, second) = (labels("orders/0"), labels("a feed"));
    for line in [
        format!("thalweg_acknowledged_offset{first} 41\n"),
        format!("thalweg_unacknowledged_elements{first} 3\n"),
        format!("thalweg_unacknowledged_elements{second} 0\n"),
        format!("thalweg_oldest_unacknowledged_seconds{first} 2.5\n"),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(!metrics.contains(&format!("thalweg_acknowledged_offset{second}")));
    let positions = &info(&dashboard)["pipelines"][0]["nodes"][0]["positions"];
    assert_eq!(positions[0]["value"], "41");
    assert_eq!(positions[1]["oldest_seconds"], Value::Null);
}

#[test]
fn a_slow_function_does_not_block_the_pages() {
    let dashboard = serve("127.0.0.1:0").expect("a port is free");
    let source = Stream::new();
    let (begins, begun) = mpsc::channel();
    let (ends, ended) = mpsc::channel::<()>();
    source.sink(move |_: i32| {
        begins.send(()).expect("the test listens");
        ended.recv().expect("it is let go");
    });
    dashboard.watch("slow", &source);
    let inner = source.clone();
    let thread = std::thread::spawn(move || inner.emit(1).wait());
    begun.recv_timeout(BOUND).expect("it begins");
    assert_eq!(info(&dashboard)["pipelines"][0]["busy"], true);
    assert!(get(&dashboard, "/status").contains("Busy in a function"));
    ends.send(()).expect("it waits");
    thread.join().expect("no panic").expect("taken");
    let end = Instant::now() + BOUND;
    while info(&dashboard)["pipelines"][0]["busy"] == true {
        assert!(Instant::now() < end, "it is never seen again");
    }
}

#[test]
fn a_dropped_pipeline_is_not_shown() {
    let (dashboard, source) = watched();
    assert!(get(&dashboard, "/graph").contains("orders"));
    drop(source);
    let end = Instant::now() + BOUND;
    while get(&dashboard, "/graph").contains("orders") {
        assert!(Instant::now() < end, "it stays");
    }
}

#[test]
fn a_taken_port_is_skipped() {
    let first = serve("127.0.0.1:0").expect("a port is free");
    let second = serve(first.addr()).expect("another port is free");
    assert_ne!(first.addr(), second.addr());
    assert!(get(&second, "/health").contains("ok"));
    let error = serve("nowhere.invalid:80")
        .expect_err("there is no such host")
        .to_string();
    assert!(error.contains("like `127.0.0.1:8787`"), "{error}");
}

/// Lists engines and describes failures.
struct Known;

impl Observe for Known {
    fn pipelines(&self) -> Vec<Pipeline> {
        let graph = Some(GraphView::default());
        vec![Pipeline {
            id: 1,
            name: "known".into(),
            graph,
        }]
    }

    fn engines(&self) -> Vec<Engine> {
        let task = Task {
            name: "resize <img>".into(),
            ran_for: Some(Duration::from_secs(3)),
        };
        let worker = Worker {
            name: "worker-0".into(),
            process: Some(4321),
            tasks: vec![task],
            memory: Some(64_000_000),
            restarts: Some(2),
            runs: vec![Run {
                name: "resize <img>".into(),
                lane: 0,
                began: Duration::from_secs(3),
                took: Duration::from_secs(3),
                tasks: 1,
                outcome: Outcome::Running,
            }],
        };
        vec![Engine {
            name: "client".into(),
            kind: "processes".into(),
            waiting: 5,
            running: 1,
            workers: vec![worker],
            time_limits: Some(3),
            deaths: vec![("task_stopped".into(), 3), ("memory".into(), 0)],
            link: None,
        }]
    }

    fn describe(&self, failure: &Failure) -> Option<Cause> {
        let summary = format!("told by {}", failure.node());
        Some(Cause {
            kind: summary.clone(),
            summary,
            details: "a stack".into(),
        })
    }
}

#[test]
fn registered_engines_and_reported_failures_are_shown() {
    let dashboard = Builder::new()
        .observe(Known)
        .serve("127.0.0.1:0")
        .expect("served");
    let tasks = get(&dashboard, "/tasks");
    for text in [
        "Workers (processes): 1;",
        "tasks waiting: 5",
        "resize &lt;img&gt;, for 3.0 s",
        "64 MB",
        "worker-0: 1 running",
        "<title>resize &lt;img&gt;, 3.0 s, running</title>",
    ] {
        assert!(tasks.contains(text), "{text}: {tasks}");
    }
    let metrics = get(&dashboard, "/metrics");
    assert!(
        metrics.contains("thalweg_tasks{engine=\"client\",state=\"waiting\"} 5"),
        "{metrics}"
    );
    assert!(
        metrics.contains(
            "thalweg_worker_memory_bytes{engine=\"client\",worker=\"worker-0\"} 64000000"
        )
    );
    assert!(
        metrics.contains("thalweg_worker_restarts_total{engine=\"client\",worker=\"worker-0\"} 2")
    );
    for line in [
        "thalweg_time_limits_total{engine=\"client\"} 3\n",
        "thalweg_worker_deaths_total{engine=\"client\",cause=\"task_stopped\"} 3\n",
        "thalweg_worker_deaths_total{engine=\"client\",cause=\"memory\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(
        tasks.contains("worker-0, process 4321")
            && tasks.contains(
                "tasks ended by their time limit: 3; workers that died: 3 (ended to stop a task)."
            ),
        "{tasks}"
    );
    let engine = &info(&dashboard)["engines"][0];
    assert_eq!(engine["time_limits"], 3);
    assert_eq!(engine["deaths"]["task_stopped"], 3);
    assert_eq!(engine["workers"][0]["process"], 4321);
    let source = Stream::new();
    source
        .try_map(|_: &i32| Err::<i32, _>("no"))
        .named("mine")
        .sink(drop);
    assert!(source.emit(1).wait().is_err());
    let failures = get(&dashboard, "/failures");
    assert!(
        failures.contains("told by mine") && failures.contains("a stack"),
        "{failures}"
    );
}
