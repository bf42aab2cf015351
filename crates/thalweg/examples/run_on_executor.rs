//! A web server whose handler calls a blocking function, which runs on a thread of the loop's executor and is
//! awaited, while the loop serves other requests.
//!
//! With the server running, `time (curl $URL & curl $URL & curl $URL & curl $URL & curl $URL & wait)`
//! takes one second, not five.

use std::io;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use thalweg::{BoxError, EventLoop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct SlowOp {
    event_loop: EventLoop,
    /// Passes only when five requests have arrived, which shows that they are served concurrently.
    all_five: Arc<Barrier>,
}

impl SlowOp {
    /// A blocking function, as a future.
    async fn slow_operation(&self) -> Result<bool, BoxError> {
        let all_five = self.all_five.clone();
        let operation = self.event_loop.run_blocking(move || {
            all_five.wait();
            std::thread::sleep(Duration::from_millis(1));
            true
        });
        operation.await
    }
}

/// Responds to any request.
async fn get(mut connection: TcpStream, ops: Arc<SlowOp>) -> Result<(), BoxError> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await?);
    }
    let done = ops.slow_operation().await?.to_string();
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", done.len());
    connection.write_all((head + &done).as_bytes()).await?;
    Ok(())
}

async fn serve(listener: TcpListener, ops: Arc<SlowOp>) -> io::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        let ops = ops.clone();
        tokio::spawn(async move {
            if let Err(error) = get(connection, ops).await {
                eprintln!("{error}");
            }
        });
    }
}

/// Replaces `curl`.
async fn curl(listener: std::net::SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect(listener).await?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_string())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), BoxError> {
    let ops = Arc::new(SlowOp {
        event_loop: EventLoop::current().ok_or("this runs on an event loop")?,
        all_five: Arc::new(Barrier::new(5)),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener, ops));

    let requests: Vec<_> = (0..5).map(|_| tokio::spawn(curl(address))).collect();
    for request in requests {
        let answer = request.await??;
        println!("{answer}");
        assert_eq!(answer, "true");
    }
    server.abort();
    Ok(())
}
