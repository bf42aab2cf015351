//! A feed in windows of ten seconds: the number of edits per wiki, on a virtual clock.

use std::collections::BTreeMap;
use std::time::Duration;

use thalweg::{BoxError, Stream, VirtualClock};

/// Time of each edit, in seconds, and its wiki.
const EDITS: [(u64, &str); 7] = [
    (1, "en"),
    (4, "de"),
    (9, "en"),
    (12, "fr"),
    (13, "fr"),
    (31, "en"),
    (38, "de"),
];

fn count(wikis: Vec<&'static str>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for wiki in wikis {
        *counts.entry(wiki).or_default() += 1;
    }
    counts
}

/// Sends each edit at its time, and prints the windows.
pub(crate) fn main() -> Result<(), BoxError> {
    let clock = VirtualClock::new();
    let edits = Stream::on(&clock);
    let windows = edits.timed_window("10s").map(count).sink_to_list();
    let mut now = 0;
    for (at, wiki) in EDITS {
        clock.advance(Duration::from_secs(at - now));
        now = at;
        edits.emit(wiki).wait()?;
    }
    clock.block_on(edits.drain("1s"))?;
    for window in windows.to_vec() {
        println!("{window:?}");
    }
    let expected = [
        vec![("de", 1), ("en", 2)],
        vec![("fr", 2)],
        vec![],
        vec![("de", 1), ("en", 1)],
    ];
    assert_eq!(windows.to_vec(), expected.map(BTreeMap::from_iter));
    Ok(())
}
