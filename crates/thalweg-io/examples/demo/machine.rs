//! This machine's own counters: reading them, making sense of them, and summing them up.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thalweg::BoxError;

use super::{check, progress};

/// So many readings make a window: at ten a second, its first and its last are a second apart.
pub(crate) const WINDOW: usize = 11;

/// The files that the kernel keeps its counters in.
pub(crate) struct Machine {
    root: PathBuf,
    readings: u64,
}

/// Contents of the files, unparsed.
#[derive(Clone, Debug)]
struct Sample {
    at: Duration,
    stat: String,
    network: String,
}

/// One reading of all counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    milliseconds: u64,
    /// Ticks of all processors together: those spent working, and all.
    busy: u64,
    ticks: u64,
    /// Bytes over all network interfaces but the loopback.
    received: u64,
    sent: u64,
}

/// Why a sample makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum SampleError {
    #[error("/proc/stat has no line `cpu` with eight numbers")]
    Processor,
    #[error("/proc/net/dev has no sixteen numbers for {0}")]
    Network(String),
}

impl Machine {
    /// Reads the counters in `/proc`, where Linux has them.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let machine = Self {
            root: root.to_owned(),
            readings: 0,
        };
        machine.sample(Duration::ZERO).map_err(|error| {
            let advice = "give the demo lines of your own instead, with --input PATH, or --input - for standard input";
            let text = format!("cannot read this machine's counters: {error}; {advice}");
            io::Error::new(error.kind(), text)
        })?;
        Ok(machine)
    }

    /// Reads all counters. Like a sensor that is not the best, it now and then gives less than it should.
    pub(crate) fn read(&mut self, at: Duration) -> Result<Counters, BoxError> {
        let sample = self.sample(at)?;
        self.readings += 1;
        let sample = match self.readings % 25 {
            13 => sample.damaged(),
            _ => sample,
        };
        Ok(sample.parse()?)
    }

    fn sample(&self, at: Duration) -> io::Result<Sample> {
        let read = |name: &str| {
            let path = self.root.join(name);
            fs::read_to_string(&path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        };
        Ok(Sample {
            at,
            stat: read("stat")?,
            network: read("net/dev")?,
        })
    }
}

impl Sample {
    /// Cuts it short.
    fn damaged(mut self) -> Self {
        self.stat = self.stat.chars().take(12).collect();
        self
    }

    fn parse(&self) -> Result<Counters, SampleError> {
        let (busy, ticks) = processor(&self.stat)?;
        let (received, sent) = network(&self.network)?;
        Ok(Counters {
            milliseconds: self.at.as_millis().try_into().unwrap_or(u64::MAX),
            busy,
            ticks,
            received,
            sent,
        })
    }
}

/// Busy ticks and all ticks, from the text of `/proc/stat`.
fn processor(text: &str) -> Result<(u64, u64), SampleError> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
    let numbers = line.and_then(numbers).ok_or(SampleError::Processor)?;
    // User, nice, system, idle, waiting for a disk, two kinds of interrupts, stolen. Guests' time
    // comes after these, and is contained in the first two.
    let [user, nice, system, idle, waiting, hard, soft, stolen, ..] = numbers[..] else {
        return Err(SampleError::Processor);
    };
    let busy = user + nice + system + hard + soft + stolen;
    Ok((busy, busy + idle + waiting))
}

/// Bytes received and sent, from the text of `/proc/net/dev`.
fn network(text: &str) -> Result<(u64, u64), SampleError> {
    let mut sum = (0, 0);
    // Two lines of headings come first.
    for line in text.lines().skip(2) {
        let (name, rest) = line.split_once(':').unwrap_or((line, ""));
        let (name, numbers) = (name.trim(), numbers(rest).unwrap_or_default());
        let [received, _, _, _, _, _, _, _, sent, ..] = numbers[..] else {
            return Err(SampleError::Network(name.to_owned()));
        };
        if numbers.len() < 16 {
            return Err(SampleError::Network(name.to_owned()));
        }
        if name != "lo" {
            sum = (sum.0 + received, sum.1 + sent);
        }
    }
    Ok(sum)
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split_whitespace()
        .map(|number| number.parse().ok())
        .collect()
}

impl Counters {
    /// A line for the file that the result can be checked with.
    pub(crate) fn record(&self) -> String {
        format!(
            "{},{},{},{},{}",
            self.milliseconds, self.busy, self.ticks, self.received, self.sent
        )
    }

    /// The share of the processors' time that was spent working from `first` to this, in percent.
    fn load_since(&self, first: &Self) -> f64 {
        ratio(100.0, (first.busy, self.busy), (first.ticks, self.ticks))
    }

    /// Bytes received and sent per second from `first` to this.
    fn rates_since(&self, first: &Self) -> (f64, f64) {
        let time = (first.milliseconds, self.milliseconds);
        (
            ratio(1000.0, (first.received, self.received), time),
            ratio(1000.0, (first.sent, self.sent), time),
        )
    }
}

/// Growth of one counter per step of another; `None` if the other stood still.
fn ratio(factor: f64, counted: (u64, u64), per: (u64, u64)) -> f64 {
    let grown = |(from, to): (u64, u64)| to as f64 - from as f64;
    match grown(per) {
        0.0 => 0.0,
        steps => factor * grown(counted) / steps,
    }
}

/// The processors' load in a window.
pub(crate) fn load(window: Vec<Counters>) -> f64 {
    let (first, last) = ends(&window);
    last.load_since(&first)
}

/// Bytes received and sent per second in a window.
pub(crate) fn traffic(window: Vec<Counters>) -> (f64, f64) {
    let (first, last) = ends(&window);
    last.rates_since(&first)
}

fn ends(window: &[Counters]) -> (Counters, Counters) {
    let end = |counters: Option<&Counters>| counters.copied().unwrap_or_default();
    (end(window.first()), end(window.last()))
}

/// Figures of one window: percent, and bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Second {
    load: f64,
    received: f64,
    sent: f64,
}

impl Second {
    pub(crate) fn new((load, (received, sent)): (f64, (f64, f64))) -> Self {
        Self {
            load,
            received,
            sent,
        }
    }

    /// The higher of each.
    pub(crate) fn peak(&self, other: &Self) -> Self {
        Self {
            load: self.load.max(other.load),
            received: self.received.max(other.received),
            sent: self.sent.max(other.sent),
        }
    }
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "processor {} {:5.1} %   in {}/s   out {}/s",
            progress::bar(self.load),
            self.load,
            progress::bytes(self.received),
            progress::bytes(self.sent),
        )
    }
}

/// How many readings there were, and what they began and ended with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    readings: u64,
    first_and_last: Option<(Counters, Counters)>,
}

impl Total {
    pub(crate) fn add(&self, counters: &Counters) -> Self {
        let first = self.first_and_last.map_or(*counters, |(first, _)| first);
        Self {
            readings: self.readings + 1,
            first_and_last: Some((first, *counters)),
        }
    }
}

/// The result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub total: Total,
    pub peak: Second,
}

impl Summary {
    /// The command that finds the same from the recorded readings.
    pub(crate) fn check(record: &Path) -> String {
        format!("{} {}", check::awk("machine.awk"), check::quoted(record))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.total.first_and_last else {
            return Ok(());
        };
        let time = (last.milliseconds as f64 - first.milliseconds as f64) / 1000.0;
        writeln!(
            f,
            "readings        {} over {time:.1} s",
            self.total.readings
        )?;
        writeln!(
            f,
            "processor       {:.2} %, at most {:.2} % in a second",
            last.load_since(&first),
            self.peak.load
        )?;
        writeln!(
            f,
            "bytes received  {:.0}, at most {:.1} in a second",
            last.received as f64 - first.received as f64,
            self.peak.received
        )?;
        writeln!(
            f,
            "bytes sent      {:.0}, at most {:.1} in a second",
            last.sent as f64 - first.sent as f64,
            self.peak.sent
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const STAT: &str = "cpu  4494 1 1003 250762 339 2 35 16 7 8\n\
                        cpu0 1960 0 319 126023 24 0 18 6 0 0\n\
                        intr 12345 0 9\n";
    const NETWORK: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n  \
        eth0: 46560051    1867    0    0    0     0          0         0   156255    1411    0    0    0     0       0          0\n \
        wlan0:1000       1    0    0    0     0          0         0   10    1    0    0    0     0       0          0\n";

    fn sample(stat: &str, network: &str) -> Sample {
        Sample {
            at: Duration::from_millis(1500),
            stat: stat.to_owned(),
            network: network.to_owned(),
        }
    }

    #[test]
    fn counters_are_parsed_from_proc_files() {
        let counters = sample(STAT, NETWORK).parse().unwrap();
        assert_eq!(
            counters,
            Counters {
                milliseconds: 1500,
                busy: 4494 + 1 + 1003 + 2 + 35 + 16,
                ticks: 4494 + 1 + 1003 + 250_762 + 339 + 2 + 35 + 16,
                received: 46_561_051,
                sent: 156_265,
            }
        );
        assert_eq!(counters.record(), "1500,5551,256652,46561051,156265");
    }

    #[test]
    fn a_damaged_sample_is_an_error() {
        let sample = sample(STAT, NETWORK).damaged();
        assert_eq!(sample.parse(), Err(SampleError::Processor));
    }

    #[test]
    fn malformed_text_is_an_error_with_its_place() {
        for stat in [
            "",
            "cpu",
            "cpu  1 2 3 4 5 6 7",
            "cpu  1 2 3 x 5 6 7 8",
            "cpu0 1 2 3 4 5 6 7 8",
        ] {
            assert_eq!(
                sample(stat, NETWORK).parse(),
                Err(SampleError::Processor),
                "{stat}"
            );
        }
        for line in ["eth0", "eth0:", "eth0: 1 2 3", "eth0: 1 2 3 4 5 6 7 8 9"] {
            let error = sample(STAT, &format!("\n\n{line}\n")).parse().unwrap_err();
            assert_eq!(
                error.to_string(),
                "/proc/net/dev has no sixteen numbers for eth0"
            );
        }
    }

    #[test]
    fn a_machine_without_interfaces_has_received_nothing() {
        let counters = sample(STAT, "").parse().unwrap();
        assert_eq!((counters.received, counters.sent), (0, 0));
    }

    #[test]
    fn a_system_without_these_files_gets_advice() {
        let directory = tempfile::tempdir().unwrap();
        let error = Machine::new(directory.path())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot read this machine's counters: "),
            "{error}"
        );
        assert!(error.contains("--input -"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_can_be_read() {
        let machine = Machine::new(Path::new("/proc")).unwrap();
        machine.sample(Duration::ZERO).unwrap().parse().unwrap();
    }

    /// Counters of a machine with one processor that has `busy` hundredths of a second of work at
    /// each reading.
    fn readings(busy: &[u64]) -> Vec<Counters> {
        let mut sum = 0;
        let reading = |(at, busy): (usize, &u64)| {
            sum += busy;
            Counters {
                milliseconds: 100 * at as u64 + at as u64 % 3,
                busy: sum,
                ticks: 1000 + 10 * at as u64,
                received: 1_000_000 + sum * sum,
                sent: 77 * at as u64,
            }
        };
        busy.iter().enumerate().map(reading).collect()
    }

    fn summary(readings: &[Counters]) -> Summary {
        let mut summary = Summary::default();
        for reading in readings {
            summary.total = summary.total.add(reading);
        }
        for window in readings.windows(WINDOW) {
            let second = Second::new((load(window.to_vec()), traffic(window.to_vec())));
            summary.peak = summary.peak.peak(&second);
        }
        summary
    }

    #[test]
    fn loads_and_rates_come_from_differences() {
        let readings = readings(&[0, 5, 5, 0]);
        assert_eq!(readings[2].load_since(&readings[0]), 50.0);
        assert_eq!(
            readings[3].rates_since(&readings[0]),
            (1000.0 * 100.0 / 300.0, 770.0)
        );
        assert_eq!(readings[0].load_since(&readings[0]), 0.0);
        assert_eq!(readings[0].rates_since(&readings[0]), (0.0, 0.0));
    }

    #[test]
    fn the_check_command_gives_the_same_result() {
        for busy in [
            &[][..],
            &[3],
            &[1, 2, 3],
            &[0, 10, 3, 7, 9, 9, 9, 1, 0, 0, 4, 10, 10, 2, 1, 0, 5],
        ] {
            let readings = readings(busy);
            let directory = tempfile::tempdir().unwrap();
            let record = directory.path().join("it's a record.csv");
            let lines: String = readings
                .iter()
                .map(|reading| reading.record() + "\n")
                .collect();
            fs::write(&record, lines).unwrap();
            check::assert_prints(&Summary::check(&record), &summary(&readings).to_string());
        }
    }
}
