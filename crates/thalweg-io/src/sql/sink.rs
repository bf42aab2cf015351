//! Writing rows to a table.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};

use super::connection::{Connection, Insert, Problem, Transaction, list, persist, quoted};
use super::database::{TABLE, rows_of, stored_rows};
use super::value::Columns;
use super::{Database, SqlError, SqlRow, SqlValue};
use crate::position::{Pending, Place, Position, Rows};

/// A table to write rows to.
///
/// ```
/// use thalweg_io::sql::{SqlValue, Table};
///
/// struct Reading { sensor: String, celsius: f64 }
///
/// let table = Table::new("latest", ["sensor", "celsius"], |reading: &Reading| {
///     [reading.sensor.as_str().into(), SqlValue::from(reading.celsius)]
/// });
/// // One row for each sensor, which is made if there is none.
/// let table = table.key(["sensor"]).create();
/// # drop(table);
/// ```
pub struct Table<T> {
    name: String,
    create: bool,
    key: Vec<String>,
    rows: ToRows<T>,
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("create", &self.create)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Converts an element to rows.
type ToRows<T> = Box<dyn FnMut(&T, &mut Vec<SqlRow>) -> Result<(), BoxError> + Send>;

impl<T: 'static> Table<T> {
    /// Rows with these columns, and the values that `values` returns for an element.
    pub fn new<const N: usize>(
        name: impl Into<String>,
        columns: [&str; N],
        values: impl Fn(&T) -> [super::SqlValue; N] + Send + 'static,
    ) -> Self {
        let columns: Columns = columns.map(String::from).into();
        Self::of_rows(name, move |x, rows| {
            rows.push(SqlRow::with(columns.clone(), values(x).into()));
            Ok(())
        })
    }

    /// Any number of rows, which `rows` appends to those of other elements; their columns may differ. All rows of an
    /// element are written in one transaction.
    pub fn of_rows(
        name: impl Into<String>,
        rows: impl FnMut(&T, &mut Vec<SqlRow>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            create: false,
            key: Vec::new(),
            rows: Box::new(rows),
        }
    }

    /// Creates the table if it does not exist, with the columns of the first row and types for its values. The columns
    /// of the [`key`](Self::key) are the primary key.
    pub fn create(mut self) -> Self {
        self.create = true;
        self
    }

    /// Updates the row with the same key instead of adding one. The table needs a primary key or a unique index of
    /// these columns.
    pub fn key<const N: usize>(self, columns: [&str; N]) -> Self {
        self.key_of(columns.map(String::from).into())
    }

    /// The same with columns that are known at run time.
    pub fn key_of(mut self, columns: Vec<String>) -> Self {
        self.key = columns;
        self
    }
}

impl Table<SqlRow> {
    /// Elements that are rows.
    pub fn rows(name: impl Into<String>) -> Self {
        Self::of_rows(name, |row: &SqlRow, rows| {
            rows.push(row.clone());
            Ok(())
        })
    }
}

/// Sink that writes elements to a table, one transaction per batch; created by [`ToSql::to_sql`].
pub struct SqlSink {
    database: Database,
    create: bool,
    target: Arc<Target>,
    kept: Arc<Mutex<Kept>>,
}

impl fmt::Debug for SqlSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSink")
            .field("database", &self.database)
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}

/// The rows of an element.
#[derive(Clone, Debug)]
pub struct ElementRows(SmallVec<[SqlRow; 1]>);

/// The destination of rows.
struct Target {
    table: String,
    key: Vec<String>,
}

/// Rows written after the positions of sources, by the positions' names.
type Kept = HashMap<String, Rows>;

/// Positions of a batch: for each source, and for each element its number there.
struct Places {
    position: Position,
    /// 0 for elements of other sources.
    numbers: Vec<u64>,
}

impl SqlSink {
    /// Creates a node that writes to a table of a database. Rows are made when elements arrive, while others are being
    /// written.
    pub fn batches<T: Element + Sync>(
        database: &Database,
        table: Table<T>,
    ) -> SinkBatches<T, Self, ElementRows> {
        let sink = Self {
            database: database.clone(),
            create: table.create,
            target: Arc::new(Target {
                table: table.name,
                key: table.key,
            }),
            kept: Arc::default(),
        };
        let (shown, target) = (database.shown().to_string(), sink.target.clone());
        let (mut to_rows, mut rows) = (table.rows, Vec::new());
        SinkBatches::preparing(sink, move |x| {
            rows.clear();
            let made = to_rows(x, &mut rows);
            let made = made.map_err(|problem| problem.to_string());
            let checked = made.and_then(|()| match rows.iter().any(|row| row.columns.is_empty()) {
                true => Err("the row has no columns".to_string()),
                false => Ok(()),
            });
            checked.map_err(|problem| SqlError::Row {
                database: shown.clone(),
                what: target.shown(),
                problem,
            })?;
            Ok::<_, SqlError>(ElementRows(rows.drain(..).collect()))
        })
    }

    /// For each source with a position in this database, the number of the element that each row was made of: the
    /// newest, if there are several.
    fn places<T>(&self, batch: &Batch<T, ElementRows>) -> Vec<Places> {
        let mut all: Vec<Places> = Vec::new();
        batch.for_each_payload(|at, place: &Place| {
            if place.position.store() != Some(self.database.id()) {
                return;
            }
            let name = place.position.name();
            let known = all.iter().position(|one| one.position.name() == name);
            let known = known.unwrap_or_else(|| {
                all.push(Places {
                    position: place.position.clone(),
                    numbers: vec![0; batch.len()],
                });
                all.len() - 1
            });
            let number = &mut all[known].numbers[at];
            *number = place.number.max(*number);
        });
        all
    }
}

impl<T: Element + Sync> BatchSink<T, ElementRows> for SqlSink {
    type Error = SqlError;
    const KIND: &'static str = "to_sql";

    async fn write(&mut self, batch: Batch<T, ElementRows>) -> Result<(), SqlError> {
        let places = self.places(&batch);
        let rows = batch.prepared().clone();
        drop(batch);
        let (target, kept) = (self.target.clone(), self.kept.clone());
        let (shown, create) = (self.database.shown().to_string(), self.create);
        let result = self.database.run(move |connection| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let mut writing = Writing {
                shown: &shown,
                target: &target,
                create,
                rows: &rows,
                places: &places,
                in_doubt: None,
            };
            persist(connection, |connection| {
                writing.write(connection, &mut kept)
            })
        });
        match result.await {
            Some(result) => result?,
            None => return Err(self.database.gone()),
        }
        self.create = false;
        Ok(())
    }

    fn blames_element(&self, error: &SqlError) -> bool {
        error.blames_row()
    }

    fn label(&self) -> Option<String> {
        Some(self.target.table.clone())
    }
}

/// A batch being written.
struct Writing<'a> {
    shown: &'a str,
    target: &'a Target,
    create: bool,
    /// Of each element.
    rows: &'a [ElementRows],
    places: &'a [Places],
    /// The transaction that was being committed when the connection was lost: its outcome is unknown.
    in_doubt: Option<Vec<(u64, Rows)>>,
}

impl Writing<'_> {
    fn fail(&self, problem: Problem) -> SqlError {
        SqlError::statement(self.shown, self.target.shown(), problem)
    }

    /// Writes rows, and the positions after them, in one transaction.
    fn write(&mut self, connection: &mut dyn Connection, kept: &mut Kept) -> Result<(), SqlError> {
        let first = self.rows.iter().find_map(|rows| rows.0.first());
        let create = first.filter(|_| self.create);
        let create = create.map(|first| self.target.create(first, connection));
        let mut transaction = connection.begin().map_err(|problem| self.fail(problem))?;
        let table = &self.target.table;
        // Stays in doubt until it is known: the query may fail as well.
        if let Some(after) = &self.in_doubt {
            let is_stored = self.is_stored(after, &mut *transaction)?;
            let after = self.in_doubt.take().filter(|_| is_stored);
            if let Some(after) = after {
                self.keep(after, kept);
                return Ok(());
            }
        }
        for one in self.places {
            let name = one.position.name();
            if !kept.contains_key(name) {
                let rows = rows_of(&mut *transaction, self.shown, name, table)?;
                kept.insert(name.to_string(), rows);
            }
        }
        if let Some(create) = create {
            let created = transaction.execute(&create, &[&[]]);
            created.map_err(|problem| self.fail(problem))?;
        }
        let mut pending = vec![Pending::default(); self.places.len()];
        let rows = self.new_rows(kept, &mut pending);
        for group in rows.chunk_by(|one, next| one.columns == next.columns) {
            let values: Vec<_> = group.iter().map(|row| &*row.values).collect();
            let inserted = transaction.insert(&self.target.insert(&group[0].columns), &values);
            inserted.map_err(|problem| self.fail(problem))?;
        }
        let mut after = Vec::with_capacity(self.places.len());
        for (one, pending) in self.places.iter().zip(&pending) {
            let (number, value) = one.position.committed();
            let mut rows = kept[one.position.name()].clone();
            rows.commit(pending, number);
            let stored = store(&mut *transaction, one, table, number, value, &rows);
            stored.map_err(|problem| self.fail(problem))?;
            after.push((number, rows));
        }
        if let Err(problem) = transaction.commit() {
            if problem.is_lost {
                self.in_doubt = Some(after);
            }
            return Err(self.fail(problem));
        }
        self.keep(after, kept);
        Ok(())
    }

    /// The rows that were not written before a crash.
    fn new_rows(&self, kept: &Kept, pending: &mut [Pending]) -> Vec<&SqlRow> {
        let mut new = Vec::with_capacity(self.rows.len());
        for (at, rows) in self.rows.iter().enumerate() {
            for row in &rows.0 {
                let mut is_new = true;
                for (one, pending) in self.places.iter().zip(&mut *pending) {
                    if one.numbers[at] > 0 {
                        is_new &= kept[one.position.name()].is_new(one.numbers[at], pending);
                    }
                }
                if is_new {
                    new.push(row);
                }
            }
        }
        new
    }

    /// Whether these positions are stored in the database.
    fn is_stored(
        &self,
        after: &[(u64, Rows)],
        transaction: &mut dyn Transaction,
    ) -> Result<bool, SqlError> {
        for (one, (number, rows)) in self.places.iter().zip(after) {
            let name = one.position.name();
            let stored = stored_rows(transaction, self.shown, name, &self.target.table)?;
            if stored != Some((*number, rows.to_text())) {
                return Ok(false);
            }
        }
        // Unknown without positions: writing twice is better than not at all.
        Ok(!after.is_empty())
    }

    fn keep(&self, after: Vec<(u64, Rows)>, kept: &mut Kept) {
        for (one, (_, rows)) in self.places.iter().zip(after) {
            kept.insert(one.position.name().to_string(), rows);
        }
    }
}

fn store(
    transaction: &mut dyn Transaction,
    places: &Places,
    sink: &str,
    number: u64,
    value: Option<String>,
    rows: &Rows,
) -> Result<(), Problem> {
    let statement = format!(
        "INSERT INTO {TABLE} (name, sink, number, value, rows) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (name, sink) DO UPDATE SET \
         number = excluded.number, value = excluded.value, rows = excluded.rows"
    );
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let values: [SqlValue; 5] = [
        places.position.name().into(),
        sink.into(),
        number.into(),
        value.into(),
        rows.to_text().into(),
    ];
    transaction.execute(&statement, &[&values])
}

impl Target {
    /// For messages.
    fn shown(&self) -> String {
        format!("table `{}`", self.table)
    }

    fn create(&self, row: &SqlRow, connection: &dyn Connection) -> String {
        let columns = row
            .iter()
            .map(|(name, value)| format!("{}{}", quoted(name), connection.column_type(value)));
        let mut parts: Vec<_> = columns.collect();
        if !self.key.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", list(&self.key)));
        }
        let (table, parts) = (quoted(&self.table), parts.join(", "));
        format!("CREATE TABLE IF NOT EXISTS {table} ({parts})")
    }

    fn insert(&self, columns: &Columns) -> Insert {
        let (table, names) = (quoted(&self.table), list(columns));
        let mut behind = String::new();
        if !self.key.is_empty() {
            let others = columns.iter().filter(|name| !self.key.contains(name));
            let set = others.map(|name| format!("{0} = excluded.{0}", quoted(name)));
            let set: Vec<_> = set.collect();
            let action = match set.is_empty() {
                true => "NOTHING".to_string(),
                false => format!("UPDATE SET {}", set.join(", ")),
            };
            let _ = write!(behind, " ON CONFLICT ({}) DO {action}", list(&self.key));
        }
        Insert {
            before: format!("INSERT INTO {table} ({names}) VALUES "),
            width: columns.len(),
            behind,
        }
    }
}

/// Databases as sinks: [`Stream::to_sql`](ToSql::to_sql).
pub trait ToSql<T> {
    /// Writes elements to a table, one transaction per batch: the elements that arrived during the transaction before.
    ///
    /// An element is acknowledged when its transaction is committed. If the database refuses a row, the others of its
    /// batch are written, and its element fails; see [`Stream::sink_batches`]. Names of tables and columns are quoted,
    /// and values are bound: neither is parsed as SQL. A table that cannot be created is a build error.
    ///
    /// ```
    /// use thalweg::{EventLoop, Stream};
    /// use thalweg_io::{prelude::*, sql::{Database, Table}};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}", dir.path().join("words.db").display());
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let _guard = runtime.enter();
    /// # runtime.block_on(async {
    /// let database = Database::open(&url)?;
    /// let words = Stream::new();
    /// let table = Table::new("words", ["word", "length"], |word: &&str| {
    ///     [(*word).into(), (word.len() as u32).into()]
    /// });
    /// words.to_sql(&database, table.key(["word"]).create());
    /// words.emit_many(["river", "bed", "river"]).await?;
    /// words.drain("10s").await?;
    ///
    /// let rows = Stream::from_sql(&database, Query::new("SELECT * FROM words", "word"));
    /// let list = rows.map(|row| row.get("length").and_then(|x| x.as_i64())).sink_to_list();
    /// rows.run("10s").await?;
    /// assert_eq!(list.to_vec(), [Some(3), Some(5)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # use thalweg_io::sql::Query;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn to_sql(&self, database: &Database, table: Table<T>) -> Sink;
}

impl<T: Element + Sync> ToSql<T> for Stream<T> {
    fn to_sql(&self, database: &Database, table: Table<T>) -> Sink {
        let has_name = !table.name.is_empty();
        let sink = self.apply(SqlSink::batches(database, table));
        if !has_name {
            sink.build_error(BuildError::new("to_sql", "the name of the table is empty"));
        }
        Sink::from(sink)
    }
}
