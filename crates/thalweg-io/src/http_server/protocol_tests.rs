//! TLS, and HTTP/2.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use http::Version;
use reqwest::{Certificate, Client, ClientBuilder};
use thalweg::Stream;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::HttpRequest;
use crate::testing::tls::Authority;

type Tested = Result<(), Box<dyn Error>>;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors")
}

fn client() -> ClientBuilder {
    // Another installed provider works too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty())
}

/// A server that responds with the requested path and the length of the body.
fn serve(server: HttpServer) -> Result<(u16, Stream<HttpRequest>), Box<dyn Error>> {
    let port = server.listen()?.port();
    let requests = Stream::from_http_requests(server);
    let host = |request: &HttpRequest| {
        let host = request.headers.get("host");
        host.and_then(|host| host.to_str().ok()).map(str::to_owned)
    };
    requests
        .map(move |request| {
            let host = host(&request).unwrap_or_default();
            format!("{} bytes for {host}", request.body.len())
        })
        .respond();
    requests.start()?;
    Ok((port, requests))
}

#[test]
fn a_client_chooses_its_protocol_by_alpn() -> Tested {
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let (port, requests) = serve(HttpServer::new(0).tls(TlsFiles::new(certificate, key)))?;
    // A silent client blocks nobody.
    let _silent = TcpStream::connect(("localhost", port))?;
    let root = Certificate::from_pem(&std::fs::read(authority.path())?)?;
    let clients = [
        (client(), Version::HTTP_2),
        (client().http1_only(), Version::HTTP_11),
    ];
    runtime().block_on(async {
        for (client, version) in clients {
            let client = client.tls_certs_only([root.clone()]).build()?;
            for _ in 0..3 {
                let url = format!("https://localhost:{port}/");
                let answer = client.post(url).body("river").send().await?;
                assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
                let text = answer.text().await?;
                assert_eq!(text, format!("5 bytes for localhost:{port}"));
            }
        }
        // Clients that do not trust the certificate, or that use plain HTTP, fail.
        let url = format!("https://localhost:{port}/");
        assert!(client().build()?.get(url).send().await.is_err());
        let url = format!("http://localhost:{port}/");
        assert!(client().build()?.get(url).send().await.is_err());
        requests.drain("30s").await?;
        Ok(())
    })
}

#[test]
fn http2_is_spoken_in_the_clear_within_the_same_limits() -> Tested {
    let server = HttpServer::new(0).max_len(100).max_head(8192).path("/in");
    let (port, requests) = serve(server)?;
    let client = client().http2_prior_knowledge().build()?;
    let url = format!("http://localhost:{port}/in");
    runtime().block_on(async {
        let post = |len: usize| client.post(&url).body(vec![b'x'; len]).send();
        let answer = post(100).await?;
        assert_eq!(answer.version(), Version::HTTP_2);
        let text = answer.text().await?;
        assert_eq!(text, format!("100 bytes for localhost:{port}"));
        assert_eq!(post(101).await?.status(), 413);
        let elsewhere = client.get(format!("{url}/else")).send().await?;
        assert_eq!(elsewhere.status(), 404);
        let long = client.get(&url).header("x", "y".repeat(10_000));
        // The client may know the limit.
        if let Ok(answer) = long.send().await {
            assert_eq!(answer.status(), 431);
        }
        assert_eq!(post(1).await?.status(), 200);
        requests.drain("30s").await?;
        Ok(())
    })
}

/// An HTTP/2 client at the level of frames.
struct Frames(TcpStream);

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

impl Frames {
    fn connect(port: u16) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(("localhost", port))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[])?;
        Ok(frames)
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let len = u32::try_from(payload.len()).expect("it is short");
        let mut frame = len.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame)
    }

    /// Sends a complete request for `/`.
    fn get(&mut self, stream: u32) -> std::io::Result<()> {
        let (get, http, root) = (0x82, 0x86, 0x84);
        let head = [&[get, http, root, 0x41, 2][..], b"me"].concat();
        self.send(HEADERS, 0x5, stream, &head)
    }

    /// Kind and payload of the next frame; `None` at the end.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], payload))
    }

    /// Error code of the server's last `GOAWAY`, once it has closed the connection.
    fn farewell(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some((kind, payload)) = self.next() {
            if kind == GOAWAY {
                code = Some(u32::from_be_bytes([
                    payload[4], payload[5], payload[6], payload[7],
                ]));
            }
        }
        code
    }
}

#[test]
fn a_client_that_keeps_resetting_streams_is_disconnected() -> Tested {
    const ENHANCE_YOUR_CALM: u32 = 11;

    let (port, requests) = serve(HttpServer::new(0))?;
    let mut frames = Frames::connect(port)?;
    for number in 0..10_000 {
        let stream = 2 * number + 1;
        let cancel = 8_u32.to_be_bytes();
        if frames.get(stream).is_err() || frames.send(RESET, 0, stream, &cancel).is_err() {
            break;
        }
    }
    // `None` if a connection reset discarded the frame.
    let farewell = frames.farewell();
    assert!(
        matches!(farewell, None | Some(ENHANCE_YOUR_CALM)),
        "{farewell:?}"
    );
    runtime().block_on(async {
        let url = format!("http://localhost:{port}/");
        let answer = client().build()?.get(url).send().await?;
        assert_eq!(answer.status(), 200);
        requests.drain("30s").await?;
        Ok(())
    })
}

#[test]
fn idle_connections_are_closed_in_every_protocol() -> Tested {
    let server = HttpServer::new(0).read_timeout(Duration::from_millis(40));
    let (port, requests) = serve(server)?;
    let mut silent = TcpStream::connect(("localhost", port))?;
    assert_eq!(silent.read_to_end(&mut Vec::new())?, 0);
    let mut idle = Frames::connect(port)?;
    assert_eq!(idle.farewell(), Some(0));
    // An unfinished head is not a request.
    let mut slow = Frames::connect(port)?;
    slow.send(HEADERS, 0, 1, &[0x82])?;
    slow.farewell();
    requests.drain("30s").wait()?;
    Ok(())
}

#[test]
fn pending_requests_are_answered_before_a_stopped_source_says_goaway() -> Tested {
    let server = HttpServer::new(0);
    let port = server.listen()?.port();
    let requests = Stream::from_http_requests(server);
    let (arrived, arrivals) = channel();
    let (go, gone) = channel::<()>();
    requests
        .map(move |request: HttpRequest| {
            arrived.send(()).expect("the test waits");
            gone.recv().expect("the test lets it go on");
            request.body
        })
        .respond();
    requests.start()?;
    let mut frames = Frames::connect(port)?;
    frames.get(1)?;
    arrivals.recv()?;
    let draining = std::thread::spawn(move || requests.drain("30s").wait());
    go.send(())?;
    let mut is_answered = false;
    while let Some((kind, payload)) = frames.next() {
        // The status 200, from the static table.
        is_answered |= kind == HEADERS && payload.first() == Some(&0x88);
        if kind == GOAWAY && is_answered {
            // The first `GOAWAY` leaves time for requests in flight.
            drop(frames);
            break;
        }
    }
    assert!(is_answered);
    draining.join().expect("it drains")?;
    let refused = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    assert!(refused.is_err());
    Ok(())
}

#[test]
fn mismatched_certificate_files_are_named_before_serving() -> Tested {
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let (_, other_key) = authority.certificate("elsewhere")?;
    let empty = key.with_file_name("empty.pem");
    std::fs::write(&empty, "")?;
    let missing = key.with_file_name("missing.pem");
    for (certificate, key, named, problem) in [
        (
            &certificate,
            &other_key,
            &other_key,
            "it is not the key of the certificate in ",
        ),
        (&certificate, &missing, &missing, ""),
        (&missing, &key, &missing, ""),
        (&certificate, &empty, &empty, "there is no key in it"),
        (&empty, &key, &empty, "there is no certificate in it"),
    ] {
        let server = HttpServer::new(0).tls(TlsFiles::new(certificate, key));
        let told = format!("TLS: {}: {problem}", named.display());
        for error in [
            server.check().expect_err("they are wrong"),
            server.listen().map(drop).expect_err("they are wrong"),
        ] {
            let error = error.to_string();
            assert!(error.starts_with(&told), "{error}");
            assert!(
                error.ends_with("give a certificate and its key in PEM"),
                "{error}"
            );
        }
        let requests = Stream::from_http_requests(server);
        let ended = requests.run("30s").wait().expect_err("they are wrong");
        assert!(ended.to_string().contains(&told), "{ended}");
    }
    Ok(())
}
