//! Outages of what pipelines are connected to, again and again for a while: a network, or a server.
//!
//! `THALWEG_SECONDS` sets the duration, `THALWEG_SEED` the moments; `cargo xtask soak` sets both.

use std::env;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thalweg::Stream;

use super::kills::{Chance, seed};
use super::{Fault, RunningProxy};

/// Maximum time without a new element once all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Maximum growth of memory within a minute, in bytes.
const MAX_GROWTH: u64 = 64 << 20;

/// Time after which the first elements are written again: there was no subscriber yet for them.
const SUBSCRIBED: Duration = Duration::from_millis(500);

/// Number of elements after which memory is measured.
const WARM: u64 = 200;

/// Maximum number of elements on their way: a reader may be slower than its writer.
const AHEAD: u64 = 20_000;

/// Number of elements that are emitted together.
const TOGETHER: u64 = 50;

/// What fails, and is repaired.
pub(crate) trait Breakable {
    fn fail(&mut self, chance: &mut Chance);
    fn repair(&mut self);
}

impl Breakable for Arc<RunningProxy> {
    fn fail(&mut self, chance: &mut Chance) {
        let bytes = chance.below(20_000) as usize;
        self.set_fault(match chance.below(4) {
            0 => Fault::StallAfter(bytes),
            1 => Fault::Slow(Duration::from_millis(1)),
            _ => Fault::CutAfter(bytes),
        });
        self.cut();
    }

    fn repair(&mut self) {
        self.set_fault(Fault::Nothing);
        self.cut();
    }
}

/// What happened.
pub(crate) struct Troubles {
    times: u32,
    /// The longest time from a repair until something arrived.
    longest: Duration,
}

/// Lets it fail and repairs it until the time is over.
pub(crate) fn trouble(
    what: &mut impl Breakable,
    arrived: &AtomicU64,
    is_over: &AtomicBool,
) -> Troubles {
    let (mut chance, end) = (Chance::new(seed()), Instant::now() + time());
    let (mut times, mut longest) = (0, Duration::ZERO);
    while Instant::now() < end && !is_over.load(Ordering::SeqCst) {
        what.fail(&mut chance);
        thread::sleep(Duration::from_millis(chance.below(150)));
        what.repair();
        let (before, since) = (arrived.load(Ordering::SeqCst), Instant::now());
        let is_stuck = || since.elapsed() > PATIENCE || is_over.load(Ordering::SeqCst);
        while arrived.load(Ordering::SeqCst) == before && !is_stuck() {
            thread::sleep(Duration::from_millis(1));
        }
        longest = longest.max(since.elapsed());
        times += 1;
    }
    Troubles { times, longest }
}

fn time() -> Duration {
    Duration::from_secs(seconds().unwrap_or(1))
}

/// The requested duration. Then no other test runs in this process.
fn seconds() -> Option<u64> {
    env::var("THALWEG_SECONDS").ok()?.parse().ok()
}

/// The growth of memory since then.
pub(crate) struct Memory(u64);

impl Memory {
    pub(crate) fn now() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok());
        // Unknown on other systems.
        Self(pages.unwrap_or(0) * 4096)
    }

    fn grown(&self) -> u64 {
        Self::now().0.saturating_sub(self.0)
    }
}

impl Troubles {
    /// Prints what happened.
    ///
    /// # Panics
    /// Memory has grown too much.
    pub(crate) fn tell(&self, what: &str, count: u64, before: &Memory) {
        let grown = before.grown();
        let is_alone = seconds().is_some();
        assert!(
            !is_alone || grown < MAX_GROWTH,
            "{what}: {grown} bytes more"
        );
        let (times, longest, grown) = (self.times, self.longest.as_millis(), grown >> 10);
        println!(
            "{what}: {count} elements, {times} troubles, went on within {longest} ms, {grown} KiB more"
        );
    }
}

/// Numbers on their way to a broker and back from it.
#[derive(Clone, Default)]
pub(crate) struct Passage {
    arrived: Arc<AtomicU64>,
    /// Of each number, whether it has arrived.
    seen: Arc<Mutex<Vec<bool>>>,
}

impl Passage {
    /// Writes and reads numbers while there are troubles, and then waits for the last ones.
    ///
    /// # Errors
    /// Elements whose emission had succeeded are missing.
    pub(crate) fn survives(
        what: &str,
        to: &Stream<String>,
        from: &Stream<String>,
        mut broken: impl Breakable,
    ) -> Result<(), Box<dyn Error>> {
        let passage = Self::default();
        let noting = passage.clone();
        from.sink(move |text| noting.note(&text));
        // A connection that is lost for long is reported.
        from.on_unhandled(drop);
        to.on_unhandled(drop);
        from.start()?;
        // A broker that forwards only to present subscribers has none at first.
        let has_begun = || passage.missing(TOGETHER).is_empty();
        while !has_begun() {
            send(to, 0)?;
            let since = Instant::now();
            while !has_begun() && since.elapsed() < SUBSCRIBED {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let mut sent = TOGETHER;
        while sent < WARM {
            sent = send(to, sent)?;
        }
        passage.wait_for(sent)?;
        let (before, is_over) = (Memory::now(), Arc::new(AtomicBool::new(false)));
        let (writing, over) = (to.clone(), is_over.clone());
        let arrived = passage.arrived.clone();
        let writing = thread::spawn(move || {
            let mut sent = sent;
            while !over.load(Ordering::SeqCst) {
                if sent > arrived.load(Ordering::SeqCst) + AHEAD {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
                // What was not written is written again.
                sent = send(&writing, sent).unwrap_or(sent);
            }
            sent
        });
        let troubles = trouble(&mut broken, &passage.arrived, &AtomicBool::new(false));
        is_over.store(true, Ordering::SeqCst);
        let sent = writing.join().expect("it only writes");
        passage.wait_for(sent)?;
        to.drain(PATIENCE).wait()?;
        // The last acknowledgements may have been lost: they are not elements.
        drop(from.drain(PATIENCE).wait());
        troubles.tell(what, sent, &before);
        Ok(())
    }

    fn note(&self, text: &str) {
        let number: usize = text.parse().expect("it was sent as a number");
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let len = seen.len().max(number + 1);
        seen.resize(len, false);
        seen[number] = true;
        self.arrived.fetch_add(1, Ordering::SeqCst);
    }

    /// The numbers up to this one that have not arrived.
    fn missing(&self, end: u64) -> Vec<u64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has_arrived = |number: &u64| seen.get(*number as usize).is_some_and(|seen| *seen);
        (0..end).filter(|number| !has_arrived(number)).collect()
    }

    fn wait_for(&self, sent: u64) -> Result<(), Box<dyn Error>> {
        let (mut fewest, mut since) = (usize::MAX, Instant::now());
        loop {
            let missing = self.missing(sent);
            let (Some(first), count) = (missing.first(), missing.len()) else {
                return Ok(());
            };
            if count < fewest {
                (fewest, since) = (count, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("{count} of {sent} are missing, the first is {first}").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Emits the next numbers; returns the one after them.
fn send(to: &Stream<String>, next: u64) -> Result<u64, Box<dyn Error>> {
    let end = next + TOGETHER;
    to.emit_many((next..end).map(|number| number.to_string()))
        .wait()?;
    Ok(end)
}
