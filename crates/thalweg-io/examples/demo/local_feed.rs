//! A feed of this machine's events, for a machine without a network: each counter of a processor or a network interface
//! that has moved is an event, with the counter's name in place of a wiki's.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::json;

/// Time between two looks at the counters.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the feed on loopback, on threads that end with the program; returns its URL.
pub(crate) fn serve(proc: &Path) -> io::Result<String> {
    let proc = PathBuf::from(proc);
    counters(&proc).map_err(|error| {
        let text = format!(
            "{} has no counters to make a feed of: {error}",
            proc.display()
        );
        io::Error::new(error.kind(), text)
    })?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let proc = proc.clone();
            // A client that has gone ends its feed.
            thread::spawn(move || send(client, &proc));
        }
    });
    Ok(url)
}

fn send(mut client: TcpStream, proc: &Path) -> io::Result<()> {
    for line in BufReader::new(&client).lines() {
        if line?.is_empty() {
            break;
        }
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
    let mut before = counters(proc)?;
    loop {
        thread::sleep(PAUSE);
        let now = counters(proc)?;
        for (name, count) in &now {
            let moved = before.get(name).map_or(0, |before| count.abs_diff(*before));
            if moved > 0 {
                let event = json!({"wiki": name, "moved": moved});
                write!(client, "data: {event}\n\n")?;
            }
        }
        before = now;
    }
}

/// Counters by name: the busy time of each processor, and the packets of each network interface.
fn counters(proc: &Path) -> io::Result<HashMap<String, u64>> {
    let mut counters = HashMap::new();
    let processors = fs::read_to_string(proc.join("stat"))?;
    for line in processors.lines().filter(|line| line.starts_with("cpu")) {
        let (name, times) = line.split_once(' ').unwrap_or((line, ""));
        if name != "cpu" {
            // The times in user, nice and system mode.
            counters.insert(name.to_owned(), sum(times, &[0, 1, 2]));
        }
    }
    let interfaces = fs::read_to_string(proc.join("net/dev"))?;
    for line in interfaces.lines() {
        if let Some((name, counts)) = line.split_once(':') {
            // The packets received and sent.
            counters.insert(name.trim().to_owned(), sum(counts, &[1, 9]));
        }
    }
    Ok(counters)
}

fn sum(fields: &str, places: &[usize]) -> u64 {
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let fields = places.iter().filter_map(|&place| fields.get(place));
    fields.sum()
}
