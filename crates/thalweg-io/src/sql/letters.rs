//! Dead letters in a table.

use std::collections::VecDeque;

use super::connection::{Connection, Problem, Read, ReadError, persist, quoted};
use super::database::{TABLE, first_position};
use super::{Database, SqlError, SqlRow, SqlValue};
use crate::Position;
use crate::dead_letters::{DeadLetter, DeadLetterError, Kept};
use crate::position::Watermark;

/// Maximum letters read at once.
const BATCH: usize = 256;

/// A table with a row for each letter.
#[derive(Clone)]
pub(crate) struct LettersTable {
    database: Database,
    name: String,
}

/// The letters that were in the table when this was created.
pub(crate) struct LettersCursor {
    table: LettersTable,
    after: i64,
    last: i64,
    taken: VecDeque<SqlRow>,
}

impl LettersTable {
    /// Creates the table if it does not exist.
    pub(crate) fn create(database: &Database, name: &str) -> Result<Self, SqlError> {
        let table = Self {
            database: database.clone(),
            name: name.to_string(),
        };
        let (id, bytes) = match database.shown().starts_with("sqlite") {
            true => ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"),
            false => ("BIGSERIAL PRIMARY KEY", "BYTEA"),
        };
        let statement = format!(
            "CREATE TABLE IF NOT EXISTS {} (id {id}, node TEXT, ordinal BIGINT, attempt BIGINT, error TEXT, element TEXT, \
             bytes {bytes}, shown TEXT)",
            quoted(name)
        );
        let created = table.run(move |connection| {
            let mut transaction = connection.begin()?;
            transaction.execute(&statement, &[&[]])?;
            transaction.commit()
        });
        created.wait().unwrap_or_else(|| Err(database.gone()))?;
        Ok(table)
    }

    pub(crate) fn shown(&self) -> String {
        format!("{}, table `{}`", self.database.shown(), self.name)
    }

    /// Runs an operation in the database, retried if the connection was lost.
    fn run<R: Send + 'static>(
        &self,
        mut job: impl FnMut(&mut dyn Connection) -> Result<R, Problem> + Send + 'static,
    ) -> crate::reply::Reply<Result<R, SqlError>> {
        let (shown, what) = (
            self.database.shown().to_string(),
            format!("table `{}`", self.name),
        );
        self.database.run(move |connection| {
            persist(connection, |connection| {
                job(connection).map_err(|problem| SqlError::statement(&shown, &what, problem))
            })
        })
    }

    pub(crate) async fn insert(&self, letters: Vec<DeadLetter>) -> Result<(), SqlError> {
        let statement = format!(
            "INSERT INTO {} (node, ordinal, attempt, error, element, bytes, shown) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            quoted(&self.name)
        );
        let rows: Vec<[SqlValue; 7]> = letters.into_iter().map(to_values).collect();
        let inserted = self.run(move |connection| {
            let rows: Vec<&[SqlValue]> = rows.iter().map(|row| &row[..]).collect();
            let mut transaction = connection.begin()?;
            transaction.execute(&statement, &rows)?;
            transaction.commit()
        });
        inserted.await.unwrap_or_else(|| Err(self.database.gone()))
    }

    /// Name of the replay position.
    fn position_name(&self) -> String {
        format!("replay {}", self.name)
    }

    /// Reads the replay position.
    pub(crate) async fn position(&self) -> Result<Position, SqlError> {
        let name = self.position_name();
        let found = self.run(move |connection| first_position(connection, &name));
        let found = found.await;
        let (number, value) = found.unwrap_or_else(|| Err(self.database.gone()))?;
        let watermark = Watermark::behind(number, value.map(Into::into));
        Ok(Position::restored(self.position_name(), None, watermark))
    }

    /// Stores the replay position.
    pub(crate) async fn keep(&self, number: u64, value: String) -> Result<(), SqlError> {
        let statement = format!(
            "INSERT INTO {TABLE} (name, sink, number, value, rows) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name, sink) DO UPDATE SET number = excluded.number, value = excluded.value"
        );
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let values: [SqlValue; 5] = [
            self.position_name().into(),
            "".into(),
            number.into(),
            value.into(),
            "".into(),
        ];
        let kept = self.run(move |connection| {
            let mut transaction = connection.begin()?;
            transaction.execute(&statement, &[&values])?;
            transaction.commit()
        });
        kept.await.unwrap_or_else(|| Err(self.database.gone()))
    }

    /// Reads the letters after an id that exist now.
    pub(crate) async fn letters(&self, behind: u64) -> Result<LettersCursor, SqlError> {
        let query = format!("SELECT max(id) FROM {}", quoted(&self.name));
        let found = self.run(move |connection| {
            let mut transaction = connection.begin()?;
            let first = transaction.first(&query, &[])?;
            transaction.commit()?;
            Ok(first)
        });
        let found = found.await.unwrap_or_else(|| Err(self.database.gone()))?;
        let last = found.and_then(|values| values.first().and_then(SqlValue::as_i64));
        Ok(LettersCursor {
            table: self.clone(),
            after: i64::try_from(behind).unwrap_or(i64::MAX),
            last: last.unwrap_or(0),
            taken: VecDeque::new(),
        })
    }
}

impl LettersCursor {
    /// The next letter and its id.
    pub(crate) async fn next(&mut self) -> Result<Option<(DeadLetter, u64)>, DeadLetterError> {
        if self.taken.is_empty() && self.after < self.last {
            self.taken = self.read().await?.into();
        }
        let Some(row) = self.taken.pop_front() else {
            return Ok(None);
        };
        let id = row.get("id").and_then(SqlValue::as_i64).unwrap_or(0);
        self.after = id;
        match to_letter(&row) {
            Ok(letter) => Ok(Some((letter, id.unsigned_abs()))),
            Err(problem) => Err(DeadLetterError::NoLetter {
                place: self.table.shown(),
                at: format!("the row with id {id}"),
                problem,
            }),
        }
    }

    async fn read(&self) -> Result<Vec<SqlRow>, SqlError> {
        let query = format!(
            "SELECT id, node, ordinal, attempt, error, element, bytes, shown FROM {} WHERE id <= {}",
            quoted(&self.table.name),
            self.last
        );
        let after = SqlValue::from(self.after);
        let rows = self.table.run(move |connection| {
            let read = Read {
                text: &query,
                cursor: "id",
                after: Some(&after),
                limit: BATCH,
            };
            connection.read(&read).map_err(|error| match error {
                ReadError::Problem(problem) => problem,
                ReadError::Cursor => Problem {
                    source: "the table has no column `id`".into(),
                    remedy: "; give another table",
                    blames_row: false,
                    is_lost: false,
                },
            })
        });
        rows.await
            .unwrap_or_else(|| Err(self.table.database.gone()))
    }
}

fn to_values(letter: DeadLetter) -> [SqlValue; 7] {
    let (mut element, mut bytes, mut shown) = (SqlValue::Null, SqlValue::Null, SqlValue::Null);
    match letter.element {
        Kept::Json(json) => element = json.into(),
        Kept::Bytes(kept) => bytes = SqlValue::Blob(kept),
        Kept::Shown(text) => shown = text.into(),
    }
    [
        letter.node.into(),
        i64::try_from(letter.ordinal).unwrap_or(i64::MAX).into(),
        i64::from(letter.attempt).into(),
        letter.error.into(),
        element,
        bytes,
        shown,
    ]
}

fn to_letter(row: &SqlRow) -> Result<DeadLetter, String> {
    let value = |name: &str| {
        row.get(name)
            .ok_or(format!("the column `{name}` is missing"))
    };
    let text = |name: &str| {
        let text = value(name)?.as_str().map(str::to_string);
        text.ok_or(format!("the column `{name}` holds no text"))
    };
    let number = |name: &str| {
        let number = value(name)?
            .as_i64()
            .and_then(|number| u64::try_from(number).ok());
        number.ok_or(format!("the column `{name}` holds no count"))
    };
    let element = match (value("element")?, value("bytes")?) {
        (SqlValue::Text(json), _) => Kept::Json(json.clone()),
        (_, SqlValue::Blob(bytes)) => Kept::Bytes(bytes.clone()),
        _ => Kept::Shown(text("shown")?),
    };
    Ok(DeadLetter {
        node: text("node")?,
        ordinal: number("ordinal")?,
        attempt: u32::try_from(number("attempt")?).unwrap_or(u32::MAX),
        error: text("error")?,
        element,
    })
}
