//! Five slow requests, answered in the time of one: the service waits without being busy.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use thalweg::{BoxError, Stream};
use thalweg_io::{HttpRequest, HttpServer, prelude::*};
use tokio::sync::Barrier;

/// Responds once five requests are being handled.
async fn greet(request: HttpRequest, all_there: Arc<Barrier>) -> String {
    all_there.wait().await;
    format!("hello, {}", request.text())
}

/// Sends a request to the service.
fn ask(address: SocketAddr, name: &str) -> io::Result<String> {
    let mut client = TcpStream::connect(address)?;
    let len = name.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: me\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
    );
    client.write_all((head + name).as_bytes())?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}

/// Serves, and sends five requests at once.
pub(crate) fn main() -> Result<(), BoxError> {
    let server = HttpServer::new(0);
    let address = server.listen()?;
    let requests = Stream::from_http_requests(server);
    let all_there = Arc::new(Barrier::new(5));
    requests
        .map_async(5, move |request| greet(request, all_there.clone()))
        .respond();
    requests.start()?;
    let asking = ["a", "b", "c", "d", "e"].map(|name| thread::spawn(move || ask(address, name)));
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.join().map_err(|_| "a client has panicked")??);
    }
    requests.drain("10s").wait()?;
    println!("{answers:?}");
    let expected = ["hello, a", "hello, b", "hello, c", "hello, d", "hello, e"];
    assert_eq!(answers, expected);
    Ok(())
}
