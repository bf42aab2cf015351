#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use thalweg::{Ack, Failure, Outcome, Stream, VirtualClock};

use super::*;
use crate::web::testing::serve;
use crate::{HttpRequest, HttpResponse};

fn answer(status: &str, body: &str) -> Vec<Vec<u8>> {
    let len = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n");
    vec![(head + body).into()]
}

/// Fetches sequentially; returns responses and failures.
fn run(fetch: Fetch, requests: Vec<HttpRequest>) -> (Vec<HttpResponse>, Vec<String>) {
    let source = Stream::new();
    let responses = source.fetch(fetch.wait(Duration::ZERO));
    let list = responses.sink_to_list();
    let (sender, failures) = channel();
    source.on_unhandled(move |failure: Failure| sender.send(failure.cause().to_string()).unwrap());
    for request in requests {
        source.emit(request).wait().unwrap();
        source.drain("1min").wait().unwrap();
        source.reopen();
    }
    (list.to_vec(), failures.try_iter().collect())
}

#[test]
fn a_response_is_an_element_and_a_busy_server_is_retried() {
    let (url, server) = serve([
        answer("503 Service Unavailable\r\nRetry-After: 0", ""),
        answer("200 OK\r\nX-Key: 7", "20.5"),
        answer("404 Not Found", "nothing"),
        answer("302 Found\r\nLocation: /there", ""),
        answer("200 OK", "there"),
    ]);
    let fetch = Fetch::new();
    let get = || HttpRequest::get(url.clone()).header("x-key", "7");
    let (responses, failures) = run(fetch, vec![get(), get(), get()]);
    let found: Vec<_> = responses.iter().map(|x| (x.status, x.text())).collect();
    assert_eq!(
        found,
        [(200, "20.5"), (404, "nothing"), (200, "there")]
            .map(|(status, text)| (status, text.to_owned()))
    );
    assert_eq!(responses[0].headers["x-key"], "7");
    assert!(responses[2].url.ends_with("/there"));
    assert!(failures.is_empty(), "{failures:?}");
    assert!(
        server
            .join()
            .unwrap()
            .iter()
            .all(|request| request.contains("\r\nx-key: 7\r\n"))
    );
}

#[test]
fn requests_that_are_not_idempotent_are_not_repeated() {
    let (url, server) = serve([
        answer("429 Too Many Requests", ""),
        answer("500 Internal Server Error", ""),
        answer("200 OK", "0123456789"),
    ]);
    let post = HttpRequest::post(url.clone(), "20.5");
    let (responses, failures) = run(
        Fetch::new().max_len(8),
        vec![post, HttpRequest::get(url), HttpRequest::get("nowhere")],
    );
    assert!(responses.is_empty(), "{responses:?}");
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(
        failures[0].ends_with("/feed answered 500 Internal Server Error"),
        "{failures:?}"
    );
    assert!(
        failures[1].ends_with("/feed is longer than 8 bytes"),
        "{failures:?}"
    );
    assert_eq!(
        failures[2],
        "cannot ask \"nowhere\": relative URL without a base"
    );
    assert!(!format!("{failures:?}").contains("secret"));
    let requests = server.join().unwrap();
    assert!(requests[1].starts_with("post /feed") && requests[2].starts_with("get /feed"));
}

#[test]
fn requests_to_a_host_are_spaced_on_the_pipelines_clock() {
    let (url, server) = serve([1, 2, 3].map(|x| answer("200 OK", &x.to_string())));
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let fetch = Fetch::new().interval(Duration::from_secs(60));
    let list = source
        .fetch(fetch)
        .map(|response| response.text())
        .sink_to_list();
    source
        .emit_many([url.clone(), url.clone(), url])
        .wait()
        .unwrap();
    for count in 1..=3 {
        let patience = Instant::now() + Duration::from_secs(60);
        while list.len() < count {
            clock.run_until_idle();
            assert!(Instant::now() < patience, "{:?}", list.to_vec());
            thread::sleep(Duration::from_millis(1));
        }
        // The next one is not sent early, however long the interval.
        clock.advance(Duration::from_secs(59));
        assert_eq!(list.len(), count);
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(list.to_vec(), ["1", "2", "3"]);
    server.join().unwrap();
}

#[test]
fn a_body_is_saved_to_a_file_atomically() {
    let (url, server) = serve([
        answer("200 OK", "0123456789"),
        answer("200 OK", "0123456789ab"),
        vec![b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhalf".to_vec()],
    ]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("digits.txt");
    let save = || HttpRequest::get(url.clone()).save_as(&path);
    let fetch = Fetch::new().max_len(1).max_file_len(10).retries(0);
    let (responses, failures) = run(fetch, vec![save(), save(), save()]);
    assert_eq!(responses[0].file.as_deref(), Some(&*path));
    assert!(responses[0].body.is_empty());
    assert_eq!((responses.len(), failures.len()), (1, 2), "{failures:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    server.join().unwrap();
}

#[cfg(unix)]
#[test]
fn a_body_does_not_replace_a_non_file() {
    use std::os::unix::fs::FileTypeExt;

    let (url, server) = serve([answer("200 OK", "0123456789")]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let save = HttpRequest::get(url).save_as(&path);
    let (responses, failures) = run(Fetch::new().retries(0), vec![save]);
    assert_eq!((responses.len(), failures.len()), (0, 1));
    let error = failures[0].to_string();
    assert!(error.contains("would take its place"), "{error}");
    assert!(std::fs::metadata(&path).unwrap().file_type().is_socket());
    server.join().unwrap();
}

#[test]
fn a_posted_element_is_acknowledged() {
    let (url, server) = serve([answer("201 Created", ""), answer("400 Bad Request", "")]);
    let source = Stream::new();
    source.to_http(url);
    let (acked, is_acked) = channel();
    for body in ["20.5", "?"] {
        let acked = acked.clone();
        let ack = Ack::new(move |outcome| acked.send(outcome).unwrap());
        let emitted = source.emit_with(body, ack).wait();
        assert_eq!(emitted.is_ok(), body == "20.5", "{emitted:?}");
    }
    let outcomes: Vec<_> = is_acked.try_iter().collect();
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Failed]);
    let requests = server.join().unwrap();
    assert!(requests[0].contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"));
}

/// Serves by path until the end of the test; returns the requested paths.
fn site(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    thread::spawn(move || {
        for client in server.incoming() {
            let mut client = client.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while reader.read_line(&mut line).unwrap() > 0 && !line.ends_with("\r\n\r\n") {}
            let path = line.split(' ').nth(1).unwrap().to_owned();
            noted.lock().unwrap().push(path.clone());
            // The client disconnects once it has read enough.
            let _ = client.write_all(&answer(&path));
        }
    });
    (url, asked)
}

#[test]
fn urls_disallowed_by_robots_txt_are_not_requested() {
    let (url, asked) = site(|path| {
        let found = match path {
            "/robots.txt" => answer(
                "200 OK",
                "User-agent: River-Bot\nDisallow: /private\nAllow: /private/a\n\nUser-agent: *\nDisallow: /",
            ),
            "/away" => answer("302 Found\r\nLocation: /private/b", ""),
            "/near" => answer("302 Found\r\nLocation: /private/a", ""),
            path => answer("200 OK", path),
        };
        found.concat()
    });
    let named =
        || Fetch::new().options(RequestOptions::new().header("User-Agent", "river-bot/1.0"));
    let get = |path: &str| HttpRequest::get(format!("{url}{path}"));
    let requests = || {
        [
            "/a",
            "/private/b?key=secret",
            "/private/a",
            "/away",
            "/near",
        ]
        .map(get)
    };
    let (responses, failures) = run(named().robots(), requests().to_vec());
    let texts: Vec<_> = responses.iter().map(HttpResponse::text).collect();
    assert_eq!(texts, ["/a", "/private/a", "/private/a"]);
    assert_eq!(
        failures,
        [
            format!(
                "{url}/private/b is not asked for, since its server's robots.txt says \
                 \"Disallow: /private\" to \"river-bot\""
            ),
            format!(
                "{url}/away redirects to {url}/private/b, which is not followed: the robots.txt there does not \
                 allow it"
            ),
        ]
    );
    let paths = asked.lock().unwrap().clone();
    assert_eq!(
        paths,
        [
            "/robots.txt",
            "/a",
            "/private/a",
            "/away",
            "/near",
            "/private/a"
        ]
    );
    // Another crawler.
    let (responses, failures) = run(Fetch::new().robots(), vec![get("/a")]);
    assert!(responses.is_empty() && failures[0].contains("\"Disallow: /\" to \"thalweg\""));
    assert_eq!(run(Fetch::new(), vec![get("/private/b")]).0.len(), 1);
}

#[test]
fn a_missing_robots_txt_allows_everything_and_an_unreachable_one_nothing() {
    for (status, is_allowed) in [
        ("404 Not Found", true),
        ("403 Forbidden", true),
        ("429 Too Many Requests", false),
        ("500 Internal Server Error", false),
    ] {
        let (url, asked) = site(move |path| {
            let found = match path {
                "/robots.txt" => answer(status, "User-agent: *\nDisallow: /"),
                path => answer("200 OK", path),
            };
            found.concat()
        });
        let get = || HttpRequest::get(format!("{url}/a"));
        let (responses, failures) = run(Fetch::new().robots().retries(1), vec![get(), get()]);
        let paths = asked.lock().unwrap().clone();
        if is_allowed {
            assert_eq!((responses.len(), paths.len()), (2, 3), "{status}");
        } else {
            let expected = format!("cannot be read: {url}/robots.txt answered {status}");
            assert!(failures[0].ends_with(&expected), "{failures:?}");
            // Two requests, then none.
            assert_eq!((failures.len(), paths.len()), (2, 2), "{status}");
        }
    }
}

#[test]
fn an_endless_robots_txt_is_truncated() {
    let (url, _) = site(|path| match path {
        "/robots.txt" => {
            let mut file = b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /b\n".to_vec();
            file.resize(2_000_000, b'#');
            file
        }
        path => answer("200 OK", path).concat(),
    });
    let get = |path: &str| HttpRequest::get(format!("{url}{path}"));
    let (responses, failures) = run(Fetch::new().robots(), vec![get("/a"), get("/b")]);
    assert_eq!((responses.len(), failures.len()), (1, 1), "{failures:?}");
}

#[test]
fn a_crawl_delay_is_the_interval_of_its_host() {
    let (url, asked) = site(|path| {
        let found = match path {
            "/robots.txt" => answer("200 OK", "User-agent: *\nCrawl-delay: 60"),
            path => answer("200 OK", path),
        };
        found.concat()
    });
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.fetch(Fetch::new().robots()).sink_to_list();
    let urls = ["/1", "/2", "/3"].map(|path| format!("{url}{path}"));
    source.emit_many(urls).wait().unwrap();
    for count in 1..=3 {
        let patience = Instant::now() + Duration::from_secs(60);
        while list.len() < count {
            clock.run_until_idle();
            assert!(Instant::now() < patience, "{count}");
            thread::sleep(Duration::from_millis(1));
        }
        clock.advance(Duration::from_secs(59));
        // Including the file itself.
        assert_eq!(asked.lock().unwrap().len(), count + 1);
        clock.advance(Duration::from_secs(1));
    }
}
