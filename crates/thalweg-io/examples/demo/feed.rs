//! A live feed of edits: how many a second each wiki gets, in windows of ten seconds, which go to a database.
//!
//! The feed is one of server-sent events whose data are JSON objects with a field `wiki`, as that of Wikimedia's
//! recent changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use thalweg::{BoxError, Stream};
use thalweg_io::sql::{Database, SqlValue, Table};
use thalweg_io::{Sse, prelude::*};

use super::args::{Feed, Options};
use super::progress::Screen;
use super::{Outcome, local_feed, newest, report, run, set_aside};

/// Wikis shown of each window.
const SHOWN: usize = 10;

/// Follows a feed until the time is up, or Ctrl-C.
pub(crate) async fn follow(feed: &Feed, options: &Options) -> Outcome {
    let screen = Screen::on_stdout();
    let url = match feed {
        Feed::Url(url) => url.clone(),
        Feed::Local => local_feed::serve(Path::new("/proc"))?,
    };
    let path = std::env::temp_dir().join(format!("thalweg-demo-{}.db", std::process::id()));
    let database = Database::open(&format!("sqlite:{}", path.display()))?;

    // A connection that breaks is a failure of the source, which connects again.
    let events = Stream::from_sse(Sse::new(url));
    let wikis = events.try_map(|event| wiki(&event.data)).named("wikis");
    set_aside(&events.errors(), &screen);
    set_aside(&wikis.errors().take(3), &screen);

    let mut begin = Instant::now();
    let windows = wikis.timed_window("10s").map(move |wikis| {
        let now = Instant::now();
        let seconds = (now - mem::replace(&mut begin, now)).as_secs_f64();
        Window::count(wikis, seconds)
    });
    let windows = windows.named("edits per second");

    // One branch shows each window, another saves it.
    let shown = screen.clone();
    windows
        .try_sink(move |window| shown.print(&window.to_string()))
        .named("screen");
    let columns = ["wiki", "edits", "seconds"];
    let table = Table::new("windows", columns, |row: &Row| {
        [
            SqlValue::from(row.wiki.as_str()),
            row.edits.into(),
            row.seconds.into(),
        ]
    });
    windows
        .map(Window::rows)
        .flatten()
        .to_sql(&database, table.create());

    let total = newest(&windows.scan(Total::default(), Total::add).named("total"));
    run(&events, options.time).await?;

    let total = total.borrow().clone();
    report(&total, &check(&path), &events, options, &screen)
}

/// The wiki of an edit.
fn wiki(data: &str) -> Result<String, BoxError> {
    let edit: Value = serde_json::from_str(data)?;
    let wiki = edit["wiki"].as_str().ok_or("an edit without a `wiki`")?;
    Ok(wiki.to_owned())
}

/// A command that finds the totals in the database.
fn check(path: &Path) -> String {
    let query = "SELECT sum(edits), count(DISTINCT wiki) FROM windows";
    format!("sqlite3 {} '{query}'", path.display())
}

/// The edits of some seconds, by wiki.
#[derive(Clone)]
struct Window {
    edits: BTreeMap<String, i64>,
    seconds: f64,
}

/// The edits of one wiki in a window.
#[derive(Clone)]
struct Row {
    wiki: String,
    edits: i64,
    seconds: f64,
}

impl Window {
    fn count(wikis: Vec<String>, seconds: f64) -> Self {
        let mut edits = BTreeMap::new();
        for wiki in wikis {
            *edits.entry(wiki).or_default() += 1;
        }
        Self { edits, seconds }
    }

    fn rows(self) -> Vec<Row> {
        let seconds = self.seconds;
        let rows = self.edits.into_iter();
        rows.map(|(wiki, edits)| Row {
            wiki,
            edits,
            seconds,
        })
        .collect()
    }
}

/// The wikis with most edits, with their edits per second.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: i64 = self.edits.values().sum();
        let rate = |edits: i64| edits as f64 / self.seconds;
        write!(
            f,
            "{:9.1} edits a second in {:.1} s",
            rate(all),
            self.seconds
        )?;
        let mut most: Vec<_> = self.edits.iter().collect();
        most.sort_by_key(|(_, edits)| -**edits);
        for (wiki, edits) in most.iter().take(SHOWN) {
            write!(f, "\n{:9.1} {wiki}", rate(**edits))?;
        }
        match most.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n          and {more} more"),
        }
    }
}

/// All edits.
#[derive(Clone, Default)]
struct Total {
    edits: i64,
    wikis: BTreeSet<String>,
}

impl Total {
    fn add(&self, window: &Window) -> Self {
        Self {
            edits: self.edits + window.edits.values().sum::<i64>(),
            wikis: &self.wikis | &window.edits.keys().cloned().collect(),
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} edits of {} wikis", self.edits, self.wikis.len())
    }
}
