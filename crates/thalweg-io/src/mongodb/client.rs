//! Clients of the driver, which manages connections.

use std::time::Duration;

use ::mongodb::error::Error as ServerError;
use ::mongodb::options::ClientOptions;
use ::mongodb::{Client, Collection, Database};

use super::{Document, MongoDb};

/// Timeout of connecting, unless the URI sets one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of finding a suitable server, unless the URI sets one.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of an operation.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates a client for the server, without connecting.
pub(super) async fn open(mongo: &MongoDb) -> Result<Client, ServerError> {
    let mut options = ClientOptions::parse(&mongo.uri).await?;
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options
        .server_selection_timeout
        .get_or_insert(SELECTION_TIMEOUT);
    options
        .app_name
        .get_or_insert_with(|| "thalweg".to_string());
    Client::with_options(options)
}

pub(super) fn database(mongo: &MongoDb, client: &Client) -> Database {
    client.database(&mongo.database)
}

pub(super) fn collection(mongo: &MongoDb, client: &Client) -> Collection<Document> {
    database(mongo, client).collection(&mongo.collection)
}
