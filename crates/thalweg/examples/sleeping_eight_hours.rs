//! Eight hours of sleep in eight seconds: 3,600 concurrent sleeps of eight seconds.
//!
//! Here the eight seconds pass on a virtual clock, without waiting.

use std::time::Duration;

use futures_util::future::join_all;
use thalweg::{Error, Stream, VirtualClock};

/// An async function: while it sleeps, the loop runs other tasks.
async fn bar(clock: VirtualClock) {
    clock.sleep(Duration::from_secs(8)).await;
}

/// Without a pipeline: the loop runs all futures concurrently.
fn tasks() -> Duration {
    let clock = VirtualClock::new();
    clock.block_on(join_all((0..3600).map(|_| bar(clock.clone()))));
    clock.now()
}

/// As a pipeline: each element sleeps, and none waits for another.
fn pipeline() -> Result<Duration, Error> {
    let clock = VirtualClock::new();
    let (source, sleeper) = (Stream::on(&clock), clock.clone());
    let awake = source
        .map_async(3600, move |_| bar(sleeper.clone()))
        .sink_to_list();
    source.emit_many(0..3600).wait()?;
    assert!(awake.is_empty());
    clock.block_on(source.drain("1min"))?;
    assert_eq!(awake.len(), 3600);
    Ok(clock.now())
}

pub(crate) fn main() -> Result<(), Error> {
    for slept in [tasks(), pipeline()?] {
        println!("{slept:?}");
        assert_eq!(slept, Duration::from_secs(8));
    }
    Ok(())
}
