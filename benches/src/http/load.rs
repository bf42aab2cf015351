//! Clients of the cases, in a process of their own.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Requests of each connection before the time is taken.
pub(super) const WARM_UP: usize = 10;

const REQUEST: &[u8] =
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\nwhat a river carries";

/// What clients do.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    /// In all; each connection has its share.
    pub(crate) requests: u64,
    /// Time from a request of a connection to its next one; None for no pause.
    pub(crate) interval: Option<Duration>,
}

impl Load {
    /// The arguments with which this program does it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let interval = self.interval.unwrap_or_default().as_millis();
        vec![
            "--load".to_owned(),
            self.port.to_string(),
            self.connections.to_string(),
            self.requests.to_string(),
            interval.to_string(),
        ]
    }
}

/// Sends the requests; prints nanoseconds per request, or the latencies if there are pauses.
pub(crate) fn run(load: &Load) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("there are descriptors");
    let (elapsed, mut latencies) = runtime.block_on(send(load));
    match load.interval {
        None => println!("{}", elapsed.as_nanos() as f64 / load.requests as f64),
        Some(_) => {
            latencies.sort();
            let part = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
            let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
            println!(
                "p50 {}, p99 {}",
                milliseconds(part(0.5)),
                milliseconds(part(0.99))
            );
        }
    }
}

async fn send(load: &Load) -> (Duration, Vec<Duration>) {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        let stream = TcpStream::connect(("127.0.0.1", load.port)).await;
        let stream = stream.expect("the server listens");
        stream.set_nodelay(true).expect("it is a socket");
        let mut connection = Connection {
            stream,
            response: Vec::new(),
            len: None,
        };
        for _ in 0..if load.interval.is_none() { WARM_UP } else { 0 } {
            connection.ask().await;
        }
        connections.push(connection);
    }
    let (begin, share) = (Instant::now(), load.requests / load.connections as u64);
    let (interval, count) = (load.interval, load.connections);
    let mut tasks = JoinSet::new();
    for (at, mut connection) in connections.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            // Spread over the interval.
            let first = interval.map(|interval| begin + interval.mul_f64(at as f64 / count as f64));
            for round in 0..share {
                let mut from = Instant::now();
                if let (Some(first), Some(interval)) = (first, interval) {
                    // A late request counts from when it was due.
                    from = first + interval * round as u32;
                    tokio::time::sleep_until(from.into()).await;
                }
                connection.ask().await;
                if interval.is_some() {
                    latencies.push(from.elapsed());
                }
            }
            latencies
        });
    }
    let latencies = tasks.join_all().await.concat();
    (begin.elapsed(), latencies)
}

struct Connection {
    stream: TcpStream,
    response: Vec<u8>,
    /// Length of a response: all are of the same.
    len: Option<usize>,
}

impl Connection {
    /// Sends a request, and reads the response.
    async fn ask(&mut self) {
        let sent = self.stream.write_all(REQUEST).await;
        sent.expect("the server reads");
        self.response.clear();
        while self.len.is_none_or(|len| self.response.len() < len) {
            let read = self.stream.read_buf(&mut self.response).await;
            assert!(read.expect("it answers") > 0, "the connection is closed");
            self.len = self.len.or_else(|| length(&self.response));
        }
        assert!(
            self.response.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.response)
        );
    }
}

/// Length of a response, once its head is complete.
fn length(response: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(response);
    let head = text.find("\r\n\r\n")?;
    let header = text[..head].lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    let body: usize = header?.parse().ok()?;
    Some(head + 4 + body)
}
