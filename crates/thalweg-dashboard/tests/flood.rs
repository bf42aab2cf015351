//! Many more open pages than the dashboard serves. A process of its own, which needs a descriptor for each.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thalweg::Stream;
use thalweg_dashboard::{Dashboard, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Pages opened at the same time, where the system allows as many descriptors.
const PAGES: usize = 10_000;

/// Event streams that the dashboard serves.
const SERVED: usize = 100;

/// Pages that are being opened at a time: fewer than wait in the queue of a listener, beyond which the system makes
/// clients wait for seconds.
const AT_ONCE: usize = 64;

/// Descriptors for everything else: the server's ends of accepted connections, the runtime's, the test's.
const RESERVED: u64 = 600;

const LIMIT: Duration = Duration::from_secs(120);

/// Raises the process's limit of descriptors; returns the number of pages it can open.
fn affordable_pages() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = PAGES as u64 + RESERVED;
    let current = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = Rlimit {
        current: Some(limit.current.map_or(wanted, |now| now.max(current))),
        maximum: limit.maximum,
    };
    // Some systems have a lower bound than the hard limit says: what counts is the limit afterwards.
    let _ = setrlimit(Resource::Nofile, raised);
    let current = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    PAGES.min(current.saturating_sub(RESERVED) as usize)
}

/// Sends a request and keeps the connection open.
async fn request(dashboard: &Dashboard, path: &str, headers: &str) -> TcpStream {
    let stream = TcpStream::connect(dashboard.addr()).await;
    let mut stream = stream.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// Opens an event stream; returns the status and the open connection.
async fn open(dashboard: &Dashboard) -> (u16, TcpStream) {
    let mut stream = request(dashboard, "/live/status", "").await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    let status = str::from_utf8(&status[9..]).expect("ASCII");
    (status.parse().expect("a number"), stream)
}

async fn health(dashboard: &Dashboard) -> String {
    let mut stream = request(dashboard, "/health", "Connection: close\r\n").await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[test]
fn ten_thousand_open_pages_are_all_answered() {
    let pages = affordable_pages();
    assert!(
        pages > SERVED,
        "too few descriptors: `ulimit -n` says how many"
    );
    let dashboard: &'static Dashboard = Box::leak(Box::new(serve("127.0.0.1:0").expect("a port")));
    let source = Stream::new();
    let numbers = source.sink_to_list();
    dashboard.watch("orders", &source);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut served, mut refused) = (Vec::new(), Vec::new());
        let opened = async {
            let mut left = (0..pages).map(|_| open(dashboard));
            let mut opening: JoinSet<_> = left.by_ref().take(AT_ONCE).collect();
            while let Some(opened) = opening.join_next().await {
                if let Some(next) = left.next() {
                    opening.spawn(next);
                }
                match opened.expect("no panic") {
                    (200, stream) => served.push(stream),
                    (503, stream) => refused.push(stream),
                    (status, _) => panic!("{status}"),
                }
                // Elements flow, and other pages are answered, in the middle of it.
                if refused.len() % 1_000 == 999 {
                    source.emit(refused.len()).wait().expect("it goes on");
                    assert!(health(dashboard).await.ends_with("\r\nok\n"));
                }
            }
        };
        timeout(LIMIT, opened).await.expect("all are answered");
        assert_eq!((served.len(), refused.len()), (SERVED, pages - SERVED));

        // A page that is closed makes room for another, although those refused are still open here.
        drop(served);
        let reopened = async { while open(dashboard).await.0 != 200 {} };
        timeout(LIMIT, reopened).await.expect("there is room");
    });
    assert_eq!(numbers.take().len(), (pages - SERVED + 1) / 1_000);
}
