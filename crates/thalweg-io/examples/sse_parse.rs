//! Megabytes of server-sent events parsed per second, on one core:
//! `cargo run --release -p thalweg-io --features sse --example sse_parse`.

use std::time::Instant;

use thalweg_io::sse::SseParser;

const EVENT: &str = "event: reading\nid: 4711\ndata: {\"sensor\": \"roof\", \"celsius\": 20.5, \"at\": \"2026-03-01T12:00:00Z\", \
                     \"note\": \"measured in the shade, one metre above the ground\"}\n\n";

/// Size of a chunk of a connection.
const CHUNK: usize = 16 * 1024;

fn main() {
    let text = EVENT.repeat(100_000);
    let mut parser = SseParser::new(1024 * 1024);
    let mut count = 0;
    let start = Instant::now();
    for chunk in text.as_bytes().chunks(CHUNK) {
        parser.push(chunk, |event| count += usize::from(event.is_ok()));
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(count, 100_000);
    println!("{:.0} MB/s", text.len() as f64 / 1e6 / seconds);
}
