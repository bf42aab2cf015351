//! Pipelines over a network with outages, stalls and delays: nothing is lost. `cargo xtask soak network` runs each test for
//! a minute.

use std::collections::HashSet;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use thalweg::Stream;

use crate::testing::Proxy;
use crate::testing::trouble::{Memory, trouble};
use crate::{Fetch, HttpRequest, HttpServer, HttpSink, Method, Sse, prelude::*};

type Tested = Result<(), Box<dyn Error>>;

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
    let (mut troubled, counted, over) = (proxy.clone(), arrived.clone(), is_over.clone());
    let troubles = thread::spawn(move || trouble(&mut troubled, &counted, &over));
    let (mut sent, mut before) = (0, Memory::now());
    while !troubles.is_finished() {
        source.emit(sent.to_string()).wait()?;
        sent += 1;
        if sent == 200 {
            before = Memory::now();
        }
    }
    let troubles = troubles.join().expect("it is only trouble");
    source.drain("1min").wait()?;
    requests.drain("1min").wait()?;
    let seen = seen.lock().expect("nobody panics");
    assert_eq!(seen.len() as u64, sent, "some are missing");
    troubles.tell("http", sent, &before);
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
    let before = Memory::now();
    let troubles = trouble(&mut Arc::new(proxy), &arrived, &AtomicBool::new(false));
    is_over.store(true, Ordering::SeqCst);
    drop(events.drain("1min").wait());
    assert_eq!(
        wrong.load(Ordering::SeqCst),
        0,
        "events are missing, or came twice"
    );
    troubles.tell("sse", arrived.load(Ordering::SeqCst), &before);
    Ok(())
}
