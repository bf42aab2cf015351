//! Pausing, resuming and draining pipelines from a dashboard, and the permission to do so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use thalweg::{Stream, VirtualClock};
use thalweg_dashboard::{Builder, Dashboard, serve};

const BOUND: Duration = Duration::from_secs(60);

fn ask(dashboard: &Dashboard, method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(dashboard.addr()).expect("it listens");
    stream.set_read_timeout(Some(BOUND)).expect("a time");
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn controllable() -> (Dashboard, String) {
    let dashboard = Builder::new().allow_control().serve("127.0.0.1:0");
    let dashboard = dashboard.expect("a port is free");
    let token = dashboard.token().expect("it may be controlled").to_string();
    (dashboard, token)
}

/// Posts until the pipeline is no longer busy.
fn act(dashboard: &Dashboard, id: u64, action: &str, token: &str) {
    let header = format!("X-Thalweg-Token: {token}");
    let body = format!("do={id}+{action}");
    let end = Instant::now() + BOUND;
    loop {
        let answer = ask(dashboard, "POST", "/control", &[&header], &body);
        match status(&answer) {
            "409" if Instant::now() < end => std::thread::yield_now(),
            "303" => return,
            _ => panic!("{answer}"),
        }
    }
}

/// Fetches `/status` until it contains a text.
fn until_shown(dashboard: &Dashboard, text: &str) {
    let end = Instant::now() + BOUND;
    loop {
        let page = ask(dashboard, "GET", "/status", &[], "");
        if page.contains(text) {
            return;
        }
        assert!(Instant::now() < end, "{text}: {page}");
        std::thread::yield_now();
    }
}

#[test]
fn control_is_disabled_by_default() {
    let dashboard = serve("127.0.0.1:0").expect("a port is free");
    let source = Stream::<i32>::new();
    dashboard.watch("numbers", &source);
    assert_eq!(dashboard.token(), None);
    assert_eq!(dashboard.control_link(), None);
    let page = ask(&dashboard, "GET", "/status", &[], "");
    assert!(!page.contains("<button") && !page.contains("<form"));
    assert!(page.contains("form-action 'none'"));
    let body = format!("do={}+drain&token=", source.node_id());
    assert_eq!(
        status(&ask(&dashboard, "POST", "/control", &[], &body)),
        "404"
    );
    assert!(source.emit(1).wait().is_ok());
}

#[test]
fn sources_are_paused_and_resumed_and_pipelines_drained() {
    let (dashboard, token) = controllable();
    let clock = VirtualClock::new();
    let ticks = Stream::from_periodic_on(&clock, "1s", || "tick");
    let pairs = ticks.partition(2).sink_to_list();
    dashboard.watch("ticks", &ticks);
    ticks.start().expect("it is open");
    clock.advance(Duration::from_secs(10));
    let before = pairs.len();
    assert!(before > 0);

    act(&dashboard, ticks.node_id(), "pause", &token);
    until_shown(&dashboard, "paused: 1 source was stopped");
    clock.advance(Duration::from_secs(60));
    assert_eq!(pairs.len(), before);
    act(&dashboard, ticks.node_id(), "pause", &token);
    until_shown(&dashboard, "no source runs");

    act(&dashboard, ticks.node_id(), "resume", &token);
    until_shown(&dashboard, "resumed: 1 source runs again");
    clock.advance(Duration::from_secs(60));
    assert!(pairs.len() > before);

    let numbers = Stream::new();
    let list = numbers.partition(2).sink_to_list();
    dashboard.watch("numbers", &numbers);
    numbers.emit(1).wait().expect("it is open");
    act(&dashboard, numbers.node_id(), "drain", &token);
    until_shown(&dashboard, "drained");
    assert_eq!(list.to_vec(), [[1]]);
    assert!(numbers.emit(2).wait().is_err());
    act(&dashboard, numbers.node_id(), "resume", &token);
    until_shown(&dashboard, "resume failed: ");
}

#[test]
fn requests_without_the_token_or_from_foreign_pages_do_nothing() {
    let (dashboard, token) = controllable();
    let source = Stream::<i32>::new();
    dashboard.watch("numbers", &source);
    let body = |token: &str| format!("do={}+drain&token={token}", source.node_id());
    let post = |headers: &[&str], body: &str| {
        let answer = ask(&dashboard, "POST", "/control", headers, body);
        assert!(!answer.contains(&token), "{answer}");
        status(&answer).to_string()
    };
    for wrong in ["", "0", &token[1..], &format!("{token}0")] {
        assert_eq!(post(&[], &body(wrong)), "403", "{wrong}");
    }
    assert_eq!(post(&["X-Thalweg-Token: wrong"], &body(&token)), "403");
    for foreign in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:1",
        "Origin: localhost",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(post(&[foreign], &body(&token)), "403", "{foreign}");
    }
    let answer = ask(&dashboard, "GET", "/control", &[], &body(&token));
    assert_eq!(status(&answer), "405");
    for nonsense in ["", "7", "7+explode", "seven+pause"] {
        let body = format!("do={nonsense}&token={token}");
        assert_eq!(post(&[], &body), "400", "{nonsense}");
    }
    assert_eq!(post(&[], &format!("do=0+pause&token={token}")), "404");
    assert_eq!(post(&[], &"x".repeat(10_000)), "413");
    // None of the requests had an effect.
    assert!(source.emit(1).wait().is_ok());

    let own = ["Origin: http://localhost", "Sec-Fetch-Site: same-origin"];
    assert_eq!(post(&own, &body(&token)), "303");
    until_shown(&dashboard, "drained");
}

#[test]
fn the_token_is_shown_only_to_the_program() {
    let (dashboard, token) = controllable();
    let source = Stream::<i32>::new();
    dashboard.watch("numbers", &source);
    assert!(
        dashboard
            .control_link()
            .is_some_and(|link| link.ends_with(&token))
    );
    assert!(!dashboard.link().contains(&token));
    assert!(!format!("{dashboard:?}").contains(&token));
    for path in ["/status", "/info", "/metrics", "/live.js", "/health"] {
        assert!(
            !ask(&dashboard, "GET", path, &[], "").contains(&token),
            "{path}"
        );
    }
    let page = ask(&dashboard, "GET", "/status", &[], "");
    assert!(page.contains("<button") && page.contains("form-action 'self'"));
}
