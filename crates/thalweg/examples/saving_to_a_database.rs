//! Events from a network stream into a database with a callback-based driver: up to ten documents are
//! in flight while reading continues, and a rejected one goes to an error stream.

use std::sync::{Arc, Mutex};
use std::thread;

use thalweg::{BoxError, Stream, callback};
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

/// The same as a future.
async fn insert(collection: Collection, document: String) -> Result<usize, BoxError> {
    Ok(callback::future(|done| collection.insert_one(document, done)).await??)
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
    let results = documents
        .try_map_async(10, move |document| insert(inserted.clone(), document))
        .named("insert");
    results.sink(|id| println!("result {id}"));
    let refused = results.errors().sink_to_list();

    let mut lines = BufReader::new(TcpStream::connect(address).await?).lines();
    while let Some(line) = lines.next_line().await? {
        source.emit(line).await?; // waits while ten are in flight
    }
    source.drain("5s").await?;
    server.await??;

    let mut saved = collection.0.lock().expect("no writer panics").clone();
    saved.sort_unstable();
    assert_eq!(saved, ["Delta", "Thalweg"]);
    let refused = refused.to_vec();
    println!("{}", refused[0]);
    let document = refused[0].element::<String>();
    assert_eq!(document.as_deref(), Some("A title that is far too long"));
    Ok(())
}
