//! Events from a network stream into a database whose driver calls back: reading goes on while up to ten
//! documents wait to be saved, and one that the database refuses is named.

use std::sync::{Arc, Mutex};
use std::thread;

use thalweg::{BoxError, Error, Stream, callback};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Inserted = Result<usize, String>;

/// A database with a driver that returns at once, and calls back with the document's id.
#[derive(Clone, Default)]
struct Collection(Arc<Mutex<Vec<String>>>);

impl Collection {
    fn insert_one(&self, document: String, callback: impl FnOnce(Inserted) + Send + 'static) {
        let documents = self.0.clone();
        thread::spawn(move || {
            if document.len() > 20 {
                callback(Err("the document is too long".to_string()));
                return;
            }
            let mut documents = documents.lock().expect("no writer panics");
            documents.push(document);
            let id = documents.len();
            drop(documents);
            callback(Ok(id));
        });
    }
}

/// The same, to be awaited.
async fn insert(collection: Collection, document: String) -> Result<(), BoxError> {
    let id = callback::future(|done| collection.insert_one(document, done)).await??;
    println!("result {id}");
    Ok(())
}

/// A server of events that ends after the last one.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let (mut connection, _) = listener.accept().await?;
    let events = "data: Thalweg\n\ndata: A title that is far too long\n\ndata: Delta\n\n";
    connection.write_all(events.as_bytes()).await
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let collection = Collection::default();
    let source = Stream::new();
    let documents = source
        .filter(|line: &String| line.starts_with("data:"))
        .map(|line| line["data:".len()..].trim().to_string());
    let inserted = collection.clone();
    documents
        .buffer(10)
        .try_sink_async(move |document| insert(inserted.clone(), document))
        .named("insert");

    let mut lines = BufReader::new(TcpStream::connect(address).await?).lines();
    while let Some(line) = lines.next_line().await? {
        refused(source.emit(line).await);
    }
    refused(source.drain("5s").await);
    server.await??;

    let mut saved = collection.0.lock().expect("no writer panics").clone();
    saved.sort_unstable();
    assert_eq!(saved, ["Delta", "Thalweg"]);
    Ok(())
}

/// Nobody waits behind a buffer: what fails there is told to the next `emit`, or to the drain.
fn refused(result: Result<(), Error>) {
    for failure in result.err().iter().flat_map(Error::failures) {
        println!("{failure}");
        let document = failure.element::<String>();
        assert_eq!(document.as_deref(), Some("A title that is far too long"));
    }
}
