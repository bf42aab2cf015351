//! Pipelines over a network with outages, stalls and delays: nothing is lost.
//!
//! `THALWEG_SECONDS` sets the duration; `cargo xtask soak network` runs each test for a minute.

use std::collections::HashSet;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, thread};

use thalweg::Stream;

use crate::testing::kills::{Chance, seed};
use crate::testing::{Fault, Proxy, RunningProxy};
use crate::{Fetch, HttpRequest, HttpServer, HttpSink, Method, Sse, prelude::*};

type Tested = Result<(), Box<dyn Error>>;

/// Maximum growth of memory within a minute, in bytes.
const MAX_GROWTH: u64 = 64 << 20;

fn time() -> Duration {
    let seconds = env::var("THALWEG_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// Memory of this process, in bytes; 0 if it is unknown.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// Alternates between a faulty and a working network until the time is over; returns the number of changes, and the
/// longest time until something arrived after a recovery.
fn trouble(proxy: &RunningProxy, arrived: &AtomicU64, is_over: &AtomicBool) -> (u32, Duration) {
    let (mut chance, end) = (Chance::new(seed()), Instant::now() + time());
    let (mut times, mut longest) = (0, Duration::ZERO);
    while Instant::now() < end && !is_over.load(Ordering::SeqCst) {
        let bytes = chance.below(20_000) as usize;
        proxy.set_fault(match chance.below(4) {
            0 => Fault::StallAfter(bytes),
            1 => Fault::Slow(Duration::from_millis(1)),
            _ => Fault::CutAfter(bytes),
        });
        proxy.cut();
        thread::sleep(Duration::from_millis(chance.below(150)));
        proxy.set_fault(Fault::Nothing);
        proxy.cut();
        let (before, since) = (arrived.load(Ordering::SeqCst), Instant::now());
        while arrived.load(Ordering::SeqCst) == before && !is_over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        longest = longest.max(since.elapsed());
        times += 1;
    }
    proxy.set_fault(Fault::Nothing);
    proxy.cut();
    (times, longest)
}

fn tell(what: &str, count: u64, (times, longest): (u32, Duration), grown: u64) {
    let (longest, grown) = (longest.as_millis(), grown >> 10);
    println!(
        "{what}: {count} elements, {times} troubles, went on within {longest} ms, {grown} KiB more"
    );
}

#[test]
fn requests_by_idempotent_methods_arrive() -> Tested {
    let server = HttpServer::new(0).host("127.0.0.1");
    let address = server.listen()?;
    let arrived = Arc::new(AtomicU64::new(0));
    let seen: Arc<Mutex<HashSet<u64>>> = Arc::default();
    let (counted, noted) = (arrived.clone(), seen.clone());
    let requests = Stream::from_http_requests(server);
    requests
        .map(move |request: HttpRequest| {
            counted.fetch_add(1, Ordering::SeqCst);
            let number = request.text().parse().expect("it was sent as a number");
            noted.lock().expect("nobody panics").insert(number);
            "taken"
        })
        .respond();
    requests.start()?;

    let proxy = Arc::new(Proxy::to(&address.to_string()).piece(64).start()?);
    let fetch = Fetch::new()
        .retries(1_000_000)
        .wait(Duration::from_millis(1))
        .max_wait(Duration::from_millis(50))
        .time_limit(Duration::from_millis(500));
    let source = Stream::new();
    let sink = HttpSink::new(format!("http://{}/", proxy.address())).method(Method::PUT);
    source.to_http(sink.fetch(fetch));
    let is_over = Arc::new(AtomicBool::new(false));
    let (troubled, counted, over) = (proxy.clone(), arrived.clone(), is_over.clone());
    let troubles = thread::spawn(move || trouble(&troubled, &counted, &over));
    let (mut sent, mut before) = (0, 0);
    while !troubles.is_finished() {
        source.emit(sent.to_string()).wait()?;
        sent += 1;
        if sent == 200 {
            before = memory();
        }
    }
    let troubles = troubles.join().expect("it is only trouble");
    source.drain("1min").wait()?;
    requests.drain("1min").wait()?;
    let grown = memory().saturating_sub(before.max(1));
    let seen = seen.lock().expect("nobody panics");
    assert_eq!(seen.len() as u64, sent, "some are missing");
    assert!(sent < 200 || grown < MAX_GROWTH, "{grown} bytes more");
    tell("http", sent, troubles, grown);
    Ok(())
}

/// Sends numbers as events, starting after the last one a client has; `count` in total.
fn send_events(mut client: TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    let mut last = 0_u64;
    let mut head = BufReader::new(client.try_clone()?);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? <= 2 {
            break;
        }
        let line = line.to_lowercase();
        if let Some(id) = line.strip_prefix("last-event-id: ") {
            last = id.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    if is_over.load(Ordering::SeqCst) {
        return client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    client.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
    )?;
    while !is_over.load(Ordering::SeqCst) {
        let mut together = String::new();
        for _ in 0..20 {
            last += 1;
            together += &format!("id: {last}\ndata: {last}\n\n");
        }
        client.write_all(together.as_bytes())?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[test]
fn events_arrive_once_and_in_order() -> Tested {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let over = over.clone();
            // The disconnected client reconnects.
            thread::spawn(move || client.and_then(|client| send_events(client, &over)));
        }
    });
    let proxy = Proxy::to(&address.to_string()).piece(64).start()?;
    let arrived = Arc::new(AtomicU64::new(0));
    let wrong = Arc::new(AtomicU64::new(0));
    let (counted, differing) = (arrived.clone(), wrong.clone());
    let events = Stream::from_sse(
        Sse::new(format!("http://{}/feed", proxy.address()))
            .wait(Duration::from_millis(1))
            .max_wait(Duration::from_millis(50))
            .idle_timeout(Duration::from_millis(500)),
    );
    events.sink(move |event| {
        let expected = counted.fetch_add(1, Ordering::SeqCst) + 1;
        if event.data != expected.to_string() {
            differing.fetch_add(1, Ordering::SeqCst);
        }
    });
    events.on_unhandled(|_| ());
    events.start()?;
    while arrived.load(Ordering::SeqCst) < 200 {
        thread::sleep(Duration::from_millis(1));
    }
    let before = memory();
    let troubles = trouble(&proxy, &arrived, &AtomicBool::new(false));
    let grown = memory().saturating_sub(before);
    is_over.store(true, Ordering::SeqCst);
    drop(events.drain("1min").wait());
    assert_eq!(
        wrong.load(Ordering::SeqCst),
        0,
        "events are missing, or came twice"
    );
    assert!(grown < MAX_GROWTH, "{grown} bytes more");
    tell("sse", arrived.load(Ordering::SeqCst), troubles, grown);
    Ok(())
}
