//! The last elements of a node: shown only if enabled, and within bounds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use thalweg::Stream;
use thalweg_dashboard::{Builder, Dashboard, serve};

const BOUND: Duration = Duration::from_secs(60);

fn get(dashboard: &Dashboard, path: &str) -> String {
    let mut stream = TcpStream::connect(dashboard.addr()).expect("it listens");
    stream.set_read_timeout(Some(BOUND)).expect("a time");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Fetches a node's page until it contains a text.
fn until_shown(dashboard: &Dashboard, path: &str, text: &str) -> String {
    let end = Instant::now() + BOUND;
    loop {
        let page = get(dashboard, path);
        if page.contains(text) {
            return page;
        }
        assert!(Instant::now() < end, "{text}: {page}");
        std::thread::yield_now();
    }
}

#[derive(Clone)]
struct Private(&'static str);

#[test]
fn elements_are_hidden_by_default() {
    let dashboard = serve("127.0.0.1:0").expect("a port is free");
    let source = Stream::new();
    let sink = source.map(|x: &'static str| x).sink(drop);
    dashboard.watch("secrets", &source);
    let path = format!("/node/{}/{}", source.node_id(), sink.stream().node_id());
    get(&dashboard, "/status");
    source.emit("my password").wait().expect("it is taken");
    let page = get(&dashboard, &path);
    assert!(page.contains("Elements in") && !page.contains("Last elements"));
    assert!(!page.contains("my password"));
    assert!(source.kept_elements(sink.stream().node_id()).is_empty());
}

#[test]
fn the_newest_elements_are_shown_as_truncated_text() {
    let dashboard = Builder::new()
        .show_elements(2, |element| {
            let private = element.downcast_ref::<Private>()?;
            assert!(private.0 != "panics", "as it was told to");
            Some(private.0.to_string())
        })
        .serve("127.0.0.1:0")
        .expect("a port is free");
    let source = Stream::new();
    let last = source.map(|x: Private| x);
    last.map(|_| [0_u8]).sink(drop);
    dashboard.watch("texts", &source);
    let path = format!("/node/{}/{}", source.node_id(), last.node_id());
    until_shown(&dashboard, &path, "No elements yet.");

    // Each request samples the next element, at any rate.
    let show = |text: &'static str, shown: &str| {
        source.measure_latency("1 min").expect("a length of time");
        source.emit(Private(text)).wait().expect("it is taken");
        until_shown(&dashboard, &path, shown)
    };
    show("first", "<code>first</code>");
    show("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;");
    let page = show("third", "<code>third</code>");
    assert!(!page.contains("first"));
    assert!(page.find("third") < page.find("bold"));
    show("panics", "describing it panicked");
    let long: &'static str = "ä".repeat(10_000).leak();
    let page = show(long, "ä…");
    assert_eq!(page.matches('ä').count(), 250);

    // Types without a formatter have no text.
    let ids = source.downstream_ids();
    let path = format!("/node/{}/{}", source.node_id(), ids[0]);
    assert!(get(&dashboard, &path).contains("Last elements"));
}

#[test]
fn a_text_that_is_never_made_blocks_nothing() {
    let barrier = Arc::new(Barrier::new(2));
    let end = barrier.clone();
    let dashboard = Builder::new()
        .show_elements(1, move |element| {
            element.downcast_ref::<Private>()?;
            end.wait();
            Some("made at last".to_string())
        })
        .serve("127.0.0.1:0")
        .expect("a port is free");
    let source = Stream::new();
    let slow = source.map(|x: Private| x);
    slow.sink(drop);
    dashboard.watch("slow", &source);
    get(&dashboard, "/status");
    source.emit(Private("slow")).wait().expect("it is taken");
    let path = format!("/node/{}/{}", source.node_id(), slow.node_id());
    // This page, the others and the pipeline all respond.
    assert!(get(&dashboard, &path).contains("Being fetched."));
    assert!(get(&dashboard, &path).contains("Being fetched."));
    assert!(get(&dashboard, "/status").contains("slow"));
    source.emit(Private("next")).wait().expect("it is taken");
    barrier.wait();
    // A second request formats the element again, and waits.
    let again = std::thread::spawn(move || barrier.wait());
    until_shown(&dashboard, &path, "made at last");
    drop(again);
}
