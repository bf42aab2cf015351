//! CPU cost of a dashboard in the process whose pipelines it shows.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use thalweg::Stream;
use thalweg_dashboard::{Dashboard, serve};

use crate::measure::Pair;
use crate::report::Line;

const PIPELINES: usize = 10;
const NODES: usize = 100;

/// Duration of a round: several refreshes.
const ROUND: Duration = Duration::from_secs(3);

/// Elements per batch and pipeline, and the time between batches: a million elements per second in total.
const BATCH: u64 = 1_000;
const PERIOD: Duration = Duration::from_millis(10);

/// Whether a page is open.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Looks {
    Nobody,
    Somebody,
}

/// How much of a processor's core ten pipelines of a hundred nodes take that get a million elements a second, shown by a
/// dashboard and not; and how much more that is, what the dashboard's thread does included.
pub(crate) fn cost(rounds: usize, looks: Looks) -> Line {
    let (shown, bare) = (pipelines(), pipelines());
    let ours = || {
        let dashboard = serve("127.0.0.1:0").expect("a port is free");
        for (number, source) in shown.iter().enumerate() {
            dashboard.watch(format!("pipeline {number}"), source);
        }
        if looks == Looks::Somebody {
            look(&dashboard);
        }
        share_of_core(&shown)
    };
    let pair = Pair::measure(rounds.min(11), ours, || share_of_core(&bare));
    let (case, target) = match looks {
        Looks::Somebody => ("dashboard-looked-at", "at most 2 % more"),
        Looks::Nobody => ("dashboard-not-looked-at", "as much"),
    };
    let more = pair.ours - pair.peer;
    Line {
        case,
        ours: format!("{:.1} % of a core", 100.0 * pair.ours),
        peer: format!("{:.1} % of a core", 100.0 * pair.peer),
        ratio: format!("{:+.1} % of a core", 100.0 * more),
        target,
        met: (looks == Looks::Somebody).then_some(more <= 0.02),
    }
}

fn pipelines() -> Vec<Stream<u64>> {
    let pipeline = |number: usize| {
        let source = Stream::new().named(format!("source {number}"));
        let mut last = source.map(|x: u64| x + 1);
        for _ in 2..NODES - 1 {
            last = last.map(|x| x ^ 1);
        }
        last.sink(|x| {
            std::hint::black_box(x);
        });
        source
    };
    (0..PIPELINES).map(pipeline).collect()
}

fn share_of_core(pipelines: &[Stream<u64>]) -> f64 {
    let (began, before) = (Instant::now(), processor_time());
    let mut due = began;
    while due - began < ROUND {
        for source in pipelines {
            for x in 0..BATCH {
                source.emit(x).wait().expect("no node fails");
            }
        }
        due += PERIOD;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    (processor_time() - before) / began.elapsed().as_secs_f64()
}

/// Seconds that this process has used of the processor.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Opens `/status` as a browser does, on a thread that reads what comes until the dashboard ends.
fn look(dashboard: &Dashboard) {
    let mut stream = TcpStream::connect(dashboard.addr()).expect("it listens");
    let request = "GET /live/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it listens");
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if line.is_err() {
                return;
            }
        }
    });
}
