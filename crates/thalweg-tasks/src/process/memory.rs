//! The limit of memory that each worker process has.

use super::Portable;
use super::link::Killed;
use super::pool::Pool;
use super::pulse::Closing;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the memory of the workers is looked at.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// How much memory a process uses, in bytes, if the system says it.
fn memory_of(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Ends workers that use too much memory.
pub(super) fn watch_memory<W: Portable>(
    pool: &Weak<Pool<W>>,
    closing: &Arc<Closing>,
    allowed: u64,
) {
    while !closing.wait(MEMORY_LOOK) {
        let Some(pool) = pool.upgrade() else { return };
        for link in pool.live_links() {
            if let Some(used) = memory_of(link.pid).filter(|used| *used > allowed) {
                link.kill(Killed::Memory { used, allowed });
            }
        }
    }
}
