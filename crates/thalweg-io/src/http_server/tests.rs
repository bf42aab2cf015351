#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use thalweg::{Failure, Stream};

use super::*;
use crate::HttpRequest;

/// Sends one request; returns status, head and body of the response.
fn send(address: SocketAddr, line: &str, body: &str) -> (u16, String, String) {
    let mut client = TcpStream::connect(address).unwrap();
    let len = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: me\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
    );
    // A server may respond and close before it has read everything.
    let _ = client.write_all((head + body).as_bytes());
    receive(&mut client)
}

fn receive(client: &mut TcpStream) -> (u16, String, String) {
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn post(address: SocketAddr, body: &str) -> (u16, String) {
    let (status, _, body) = send(address, "POST /", body);
    (status, body)
}

/// A running server whose pipeline is built by `make`.
fn serve(
    server: HttpServer,
    make: impl FnOnce(&Stream<HttpRequest>),
) -> (SocketAddr, Stream<HttpRequest>) {
    let address = server.listen().unwrap();
    let requests = Stream::from_http_requests(server);
    make(&requests);
    requests.start().unwrap();
    (address, requests)
}

fn number(request: &HttpRequest) -> Result<i32, std::num::ParseIntError> {
    request.text().parse()
}

#[test]
fn a_body_is_answered_when_the_pipeline_has_accepted_it() {
    let server = HttpServer::new(0).path("/in.*").max_len(8);
    let address = server.listen().unwrap();
    let bodies = Stream::from_http_server(server);
    let numbers = bodies.try_map(|body: &Bytes| String::from_utf8_lossy(body).parse::<i32>());
    let list = numbers.sink_to_list();
    // Elements in a buffer or a window count as accepted.
    numbers.partition(10).sink(drop);
    let (failed, failures) = channel();
    bodies.on_unhandled(move |failure: Failure| failed.send(failure.to_string()).unwrap());
    bodies.start().unwrap();
    for (line, body, status) in [
        ("POST /in", "7", 200),
        ("POST /in/1?a=b", "x", 500),
        ("GET /in", "", 405),
        ("POST /out", "8", 404),
        ("POST /in", "123456789", 413),
        ("POST /in", "9", 200),
    ] {
        let (found, head, text) = send(address, line, body);
        assert_eq!(found, status, "{line} {body}: {text}");
        assert_eq!(head.contains("\r\nallow: post"), status == 405, "{head}");
        assert!(!text.contains("digit"), "{text}");
    }
    assert_eq!(list.to_vec(), [7, 9]);
    assert!(
        failures
            .try_iter()
            .next()
            .unwrap()
            .contains("invalid digit")
    );
    // A request on a connection from before the stop comes too late.
    let mut late = TcpStream::connect(address).unwrap();
    bodies.stop();
    let _ = late.write_all(b"POST /in HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\n\r\n1");
    let mut response = String::new();
    let is_refused = late.read_to_string(&mut response).is_err() || response.is_empty();
    assert!(
        is_refused || response.starts_with("HTTP/1.1 503"),
        "{response}"
    );
    let _ = bodies.drain("1min").wait();
    assert_eq!(list.to_vec(), [7, 9]);
}

#[test]
fn an_oversized_body_is_refused_with_413() {
    let server = HttpServer::new(0).max_len(1 << 20);
    let address = server.listen().unwrap();
    let bodies = Stream::from_http_server(server);
    bodies.start().unwrap();
    // Exceeds the buffers of the connection: a client cut off while sending would read no response.
    let (status, _, text) = send(address, "POST /", &"x".repeat((1 << 20) + (1 << 19)));
    assert_eq!((status, text.as_str()), (413, "the body is too long"));
    bodies.stop();
}

#[test]
fn each_request_gets_its_own_result() {
    let (address, requests) = serve(HttpServer::new(0), |requests| {
        let numbers = requests.try_map(number);
        // Odd numbers are dropped; from 100 on numbers arrive several times, through a buffer.
        let even = numbers.filter(|x| x % 2 == 0).buffer(4);
        let several = even.map(|x| if x < 100 { vec![x] } else { vec![x + 1, x + 2] });
        several.flatten().map(|x| (201, x.to_string())).respond();
        requests.on_unhandled(drop);
    });
    let clients: Vec<_> = (0..16)
        .map(|x| thread::spawn(move || (x, post(address, &(x * 10).to_string()))))
        .collect();
    for client in clients {
        let (x, answer) = client.join().unwrap();
        let result = if x < 10 { x * 10 } else { x * 10 + 1 };
        assert_eq!(answer, (201, result.to_string()));
    }
    assert_eq!(post(address, "7"), (204, String::new()));
    assert_eq!(
        post(address, "?"),
        (500, "the pipeline failed on this".to_owned())
    );
    let _ = requests.drain("1min").wait();
}

#[test]
fn a_window_answers_all_its_requests_and_a_drain_the_rest() {
    let (seen, is_seen) = channel();
    let (address, requests) = serve(HttpServer::new(0).max_in_flight(2), |requests| {
        let numbers = requests.try_map(number);
        let sums = numbers.partition(2).map(|pair| pair.iter().sum::<i32>());
        sums.map(|sum| sum.to_string()).respond();
        numbers.sink(move |_| seen.send(()).unwrap());
    });
    let ask = |x: &'static str| thread::spawn(move || post(address, x));
    let pair = [ask("1"), ask("2")];
    assert!(
        pair.into_iter()
            .all(|client| client.join().unwrap() == (200, "3".to_owned()))
    );
    assert_eq!(is_seen.iter().take(2).count(), 2);
    let last = ask("4");
    is_seen.recv().unwrap();
    requests.drain("1min").wait().unwrap();
    assert_eq!(last.join().unwrap(), (200, "4".to_owned()));
}

#[test]
fn full_and_slow_pipelines_answer_with_their_status() {
    let (seen, is_seen) = channel();
    let server = HttpServer::new(0)
        .max_in_flight(1)
        .time_limit(Duration::from_secs(60));
    let (address, requests) = serve(server, |requests| {
        requests.sink(move |_| seen.send(()).unwrap());
        requests
            .partition(2)
            .map(|pair| pair.len().to_string())
            .respond();
    });
    let first = thread::spawn(move || post(address, "1"));
    is_seen.recv().unwrap();
    let (status, head, _) = send(address, "GET /", "");
    assert_eq!(status, 503);
    assert!(head.contains("\r\nretry-after: 1"), "{head}");
    requests.drain("1min").wait().unwrap();
    assert_eq!(first.join().unwrap(), (200, "1".to_owned()));

    let server = HttpServer::new(0)
        .max_in_flight(1)
        .time_limit(Duration::from_millis(1));
    let (address, requests) = serve(server, |requests| {
        drop(requests.partition(2).map(|_| "").respond())
    });
    assert_eq!(post(address, "1").0, 504);
    // The pipeline still holds the request.
    assert_eq!(post(address, "2").0, 503);
    let _ = requests.drain("1min").wait();
}

#[test]
fn error_texts_are_shown_if_enabled() {
    let server = HttpServer::new(0).show_errors();
    let (address, requests) = serve(server, |requests| {
        requests.try_map(number).map(|x| x.to_string()).respond();
        requests.on_unhandled(drop);
    });
    let (status, text) = post(address, "x");
    assert_eq!(status, 500);
    assert!(text.contains("invalid digit"), "{text}");
    let _ = requests.drain("1min").wait();
}

#[test]
fn an_element_without_a_request_cannot_respond() {
    let source = Stream::new();
    source.respond();
    let error = source.emit("hello").wait().unwrap_err();
    assert!(
        error.to_string().contains("does not come from a request"),
        "{error}"
    );
}

#[test]
fn a_taken_address_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let requests = Stream::from_http_requests(port);
    requests.map(|_| "").respond();
    let error = requests.run("1min").wait().unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("cannot listen at localhost:{port}: ")),
        "{error}"
    );
}

#[test]
fn a_released_address_accepts_no_connections() {
    let server = HttpServer::new(0).host("127.0.0.1");
    let address = server.listen().unwrap();
    let bodies = Stream::from_http_server(server.clone());
    let list = bodies.sink_to_list();
    bodies.start().unwrap();
    assert_eq!(send(address, "POST /", "river").0, 200);
    assert!(!server.release(), "the source has it");
    assert!(TcpStream::connect(address).is_err());
    bodies.drain("1min").wait().unwrap();
    assert_eq!(list.len(), 1);
}

#[tokio::test]
async fn a_service_can_be_mounted_in_another_server() {
    use http_body_util::{BodyExt, Full};
    use tower_service::Service;

    let server = HttpServer::mounted();
    let mut service = server.service().unwrap();
    let ask = |service: &mut HttpService| {
        let request = http::Request::post("/a?b")
            .body(Full::new(Bytes::from("c")))
            .unwrap();
        service.call(request)
    };
    assert_eq!(ask(&mut service).await.unwrap().status(), 503);
    let requests = Stream::from_http_requests(server.clone());
    requests
        .map(|request| format!("{} {}", request.url, request.text()))
        .respond();
    requests.start().unwrap();
    let response = loop {
        let response = ask(&mut service).await.unwrap();
        if response.status() != 503 {
            break response;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "/a?b c"
    );
    requests.stop();
}

#[test]
fn a_chunked_body_has_the_same_limits() {
    let server = HttpServer::mounted().max_len(10).path("/in");
    let service = server.service().unwrap();
    let requests = Stream::from_http_requests(server.clone());
    requests.map(|request| request.text()).respond();
    server.open();
    requests.start().unwrap();
    let ask = |path: &str, pieces: &[&'static str], ends: bool| {
        let (answered, answers) = channel();
        let call = service.begin(HttpRequest::post(path, ""), move |answer| {
            let _ = answered.send(answer);
        });
        let call = call.unwrap();
        for piece in pieces {
            if !call.push(*piece) {
                break;
            }
        }
        if ends {
            call.end();
        }
        let answer = answers.recv().unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(
        ask("/in", &["river", "s", "bed"], true),
        (200, "riversbed".to_owned())
    );
    assert_eq!(ask("/out", &["river"], false).0, 404);
    assert_eq!(ask("no path", &[], true).0, 400);
    assert_eq!(ask("/in", &["river"; 5], false).0, 413);
    server.release();
    assert_eq!(ask("/in", &["river"], true).0, 503);
    let _ = requests.drain("1min").wait();
}

#[test]
fn a_truncated_body_is_never_emitted() {
    let server = HttpServer::mounted();
    let service = server.body_service().unwrap();
    let bodies = Stream::from_http_server(server.clone());
    let list = bodies.sink_to_list();
    server.open();
    let (answered, answers) = channel();
    let call = service.begin(HttpRequest::post("/", ""), move |answer| {
        let _ = answered.send(answer);
    });
    let call = call.unwrap();
    assert!(call.push("half"));
    drop(call);
    // Unless the response was just being written.
    if let Ok(answer) = answers.recv() {
        assert_eq!(answer.status, 400);
    }
    bodies.start().unwrap();
    let _ = bodies.drain("1min").wait();
    assert!(list.is_empty());
}
