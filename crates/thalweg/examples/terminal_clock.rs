//! A clock in the terminal: a task repeated every second, without an endless loop around a
//! sleep.

use std::io::Write;
use std::time::Duration;

use thalweg::{Error, Stream, VirtualClock};

/// Overwrites the current line.
fn overprint(text: &str) {
    print!("{text}\r");
    // Ignores a closed terminal.
    let _ = std::io::stdout().flush();
}

fn get_time(since_midnight: Duration) -> String {
    let seconds = since_midnight.as_secs();
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// An hour passes on the virtual clock; `Stream::from_periodic("1s", …)` would use real time.
pub(crate) fn main() -> Result<(), Error> {
    let clock = VirtualClock::new();
    let now = clock.clone();
    let times = Stream::from_periodic_on(&clock, "1s", move || get_time(now.now()));
    times.sink(|text| overprint(&text));
    let shown = times.sink_to_list();

    times.start()?;
    clock.advance(Duration::from_secs(3599));
    clock.block_on(times.drain("1s"))?;
    println!();

    let shown = shown.to_vec();
    assert_eq!(shown.len(), 3600);
    assert_eq!(shown[..3], ["00:00:00", "00:00:01", "00:00:02"]);
    // No drift over the hour.
    assert_eq!(shown[3599], "00:59:59");
    Ok(())
}
