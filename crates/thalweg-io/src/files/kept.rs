//! Positions stored beside files.
//!
//! A record beside a file contains the positions that hold once the file has its name. It is written before that; then
//! the file is renamed, and then the record replaces the one before. So it is always known whether a record holds: its
//! file does not exist under its temporary name. Whether it exists under its own name does not matter: a reader may
//! have removed it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use thalweg::Acks;

use super::FileError;
use super::name::Template;
use crate::Position;
use crate::position::{Pending, Place, Rows, Watermark};

/// Positions of sources whose elements go into files of one template. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sources: BTreeMap<String, Source>,
    /// The number after that of the last file with a record.
    next: u64,
}

#[derive(Debug)]
struct Source {
    position: Position,
    /// Rows written to files that have their names or wait for them.
    rows: Rows,
    /// Rows in files that have their names.
    safe: Rows,
    /// Rows in the open file.
    pending: Pending,
}

/// Positions of the sources once a file has its name.
pub(super) type After = HashMap<String, Rows>;

impl Kept {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Databases count from below.
        let id = u64::MAX - NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Shared {
            id,
            state: Mutex::default(),
        }))
    }

    /// The position with this name, stored in the folder of the files.
    ///
    /// # Errors
    /// The record cannot be read, or is invalid.
    pub(super) fn position(&self, template: &Template, name: &str) -> Result<Position, FileError> {
        let path = template.record();
        let failed = |source| FileError::io("read", &path, source);
        settle(template).map_err(failed)?;
        let record = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut state = self.lock();
        let (number, value, rows) = match record {
            None => (0, None, Rows::default()),
            Some(text) => {
                let found = parse(&text, name).ok_or_else(|| {
                    let problem = "it does not contain positions; move it away to start over";
                    FileError::invalid(&path, problem)
                })?;
                state.next = found.next;
                (found.number, found.value, found.rows)
            }
        };
        let watermark = Watermark::behind(number, value.map(Into::into));
        let position = Position::restored(name.to_owned(), Some(self.0.id), watermark);
        let source = Source {
            position: position.clone(),
            safe: rows.clone(),
            rows,
            pending: Pending::default(),
        };
        state.sources.insert(name.to_owned(), source);
        Ok(position)
    }

    /// The number after that of the last file with a record.
    pub(super) fn next_number(&self) -> u64 {
        self.lock().next
    }

    /// Whether a row must be written: it was not, before a crash. It counts as written from now on.
    pub(super) fn is_new(&self, acks: &Acks) -> bool {
        if acks.is_none() {
            return true;
        }
        let mut state = self.lock();
        self.places(acks)
            .into_iter()
            .fold(true, |is_new, (name, number)| {
                let source = state.sources.get_mut(name);
                is_new & source.is_none_or(|source| source.rows.is_new(number, &mut source.pending))
            })
    }

    /// Undoes a row that could not be written.
    pub(super) fn take_back(&self, acks: &Acks) {
        let mut state = self.lock();
        for (name, number) in self.places(acks) {
            if let Some(source) = state.sources.get_mut(name) {
                source.pending.take_back(number);
            }
        }
    }

    /// The elements that a row is made of: the newest of each source.
    fn places<'a>(&self, acks: &'a Acks) -> BTreeMap<&'a str, u64> {
        let mut places = BTreeMap::new();
        for place in acks.payloads::<Place>() {
            if place.position.store() == Some(self.0.id) {
                let number = places.entry(place.position.name()).or_default();
                *number = place.number.max(*number);
            }
        }
        places
    }

    /// The record of the open file with this number, and the positions once it has its name; `None` without positions.
    pub(super) fn record(&self, number: u64) -> Option<(String, After)> {
        let state = self.lock();
        if state.sources.is_empty() {
            return None;
        }
        let (mut after, mut positions) = (After::new(), serde_json::Map::new());
        for (name, source) in &state.sources {
            let (number, value) = source.position.committed();
            let mut rows = source.rows.clone();
            rows.commit(&source.pending, number);
            let entry = json!({"number": number, "value": value, "rows": rows.to_text()});
            positions.insert(name.clone(), entry);
            after.insert(name.clone(), rows);
        }
        let record = json!({"next": number.saturating_add(1), "positions": positions});
        Some((record.to_string(), after))
    }

    /// Notes that the open file is complete and waits for its name.
    pub(super) fn leaves(&self, after: &After) {
        let mut state = self.lock();
        for (name, rows) in after {
            if let Some(source) = state.sources.get_mut(name) {
                source.rows = rows.clone();
                source.pending = Pending::default();
            }
        }
    }

    /// Notes that a file has its name.
    pub(super) fn is_safe(&self, after: After) {
        let mut state = self.lock();
        for (name, rows) in after {
            if let Some(source) = state.sources.get_mut(&name) {
                source.safe = rows;
            }
        }
    }

    /// The rows of the open file, or of all abandoned ones, are not in any file.
    pub(super) fn is_lost(&self, had_left: bool) {
        for source in self.lock().sources.values_mut() {
            if had_left {
                source.rows = source.safe.clone();
            } else {
                source.pending = Pending::default();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a record for one source.
struct Found {
    next: u64,
    number: u64,
    value: Option<String>,
    rows: Rows,
}

fn parse(text: &str, name: &str) -> Option<Found> {
    let record: Value = serde_json::from_str(text).ok()?;
    let next = record.get("next")?.as_u64()?;
    let Some(entry) = record.get("positions")?.get(name) else {
        return Some(Found {
            next,
            number: 0,
            value: None,
            rows: Rows::default(),
        });
    };
    let number = entry.get("number")?.as_u64()?;
    let value = entry.get("value")?;
    Some(Found {
        next,
        number,
        value: value.as_str().map(str::to_owned),
        rows: Rows::from_text(number, entry.get("rows")?.as_str()?)?,
    })
}

/// Applies the records of files that had their names when the program was killed, and removes the others.
fn settle(template: &Template) -> io::Result<()> {
    let mut hold = true;
    for (record, partial) in template.records()? {
        // No file after one without its name has its own.
        hold &= !partial.try_exists()?;
        if hold {
            fs::rename(record, template.record())?;
        } else {
            fs::remove_file(record)?;
        }
    }
    Ok(())
}

/// A file's record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) text: String,
    pub(super) after: After,
    /// Beside the file, and where it is moved once the file has its name.
    pub(super) path: PathBuf,
    pub(super) target: PathBuf,
}

impl Record {
    /// Writes it beside its file.
    pub(super) fn write(&self, syncs: bool) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        file.write_all(self.text.as_bytes())?;
        if syncs {
            file.sync_all()?;
        }
        Ok(())
    }

    /// Makes it hold. If that fails, it is found at the next start.
    pub(super) fn take_place(&self) {
        let _ = fs::rename(&self.path, &self.target);
    }

    /// Removes it. This comes before its file is removed.
    pub(super) fn remove(path: &Path) {
        let _ = fs::remove_file(path);
    }
}
