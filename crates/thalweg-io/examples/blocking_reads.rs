//! Blocking reads beside an event loop: they run on a separate thread, and their lines become ordinary
//! events.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;

use thalweg::{BoxError, Stream};
use thalweg_io::prelude::*;

/// Sends each event when it is requested.
fn serve(listener: &TcpListener, next: &std::sync::mpsc::Receiver<()>) -> std::io::Result<()> {
    let (mut connection, _) = listener.accept()?;
    for title in ["Thalweg", "River", "Delta"] {
        if next.recv().is_err() {
            break;
        }
        write!(connection, "event: message\ndata: {title}\n\n")?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let (next, asked) = std::sync::mpsc::channel();
    let server = thread::spawn(move || serve(&listener, &asked));

    let lines = Stream::from_reader(TcpStream::connect(address)?);
    let titles = lines
        .filter(|line| line.starts_with("data:"))
        .map(|line| line["data:".len()..].trim().to_string());
    titles.sink(|title| println!("{title}"));
    let list = titles.sink_to_list();

    // While the server sends nothing, the read blocks; the loop keeps running, and requests the
    // next event.
    let ticks = Stream::from_periodic("1ms", || ());
    let asked = list.clone();
    let mut sent = 0;
    ticks.sink(move |()| {
        if asked.len() == sent {
            sent += 1;
            // After the last event the server is gone.
            let _ = next.send(());
        }
    });
    ticks.start()?;
    lines.run("5s").await?;
    ticks.drain("5s").await?;

    assert_eq!(list.to_vec(), ["Thalweg", "River", "Delta"]);
    server.join().map_err(|_| "the server panicked")??;
    Ok(())
}
