//! Numbers pass through a table while the network fails again and again: none is missing.

use std::error::Error;
use std::sync::Arc;

use thalweg::Stream;

use super::server::{Server, url};
use crate::prelude::*;
use crate::sql::{Database, Query, SqlValue, Table};
use crate::testing::Proxy;
use crate::testing::trouble::Passage;

#[test]
fn it_survives_a_bad_network() -> Result<(), Box<dyn Error>> {
    let Some(server) = Server::start() else {
        return Ok(());
    };
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port())).piece(64);
    let proxy = Arc::new(proxy.start()?);
    let database = Database::open(&url(proxy.address().port()))?;
    let to = Stream::new();
    let table = Table::new("numbers", ["number"], |number: &i64| [(*number).into()]);
    let numbers = to.map(|number: String| number.parse().expect("it was sent as a number"));
    numbers.to_sql(&database, table.create().key(["number"]));
    // The table exists before it is read.
    to.emit("0".to_string()).wait()?;
    to.until_idle("10s").wait()?;
    let query = Query::new("SELECT * FROM numbers", "number").poll("1ms");
    let read = Stream::from_sql(&database, query).map(|row| {
        let number = row.get("number").and_then(SqlValue::as_i64);
        number.expect("it is a number").to_string()
    });
    Passage::survives("postgres, network", &to, &read.buffer(64), proxy)
}
