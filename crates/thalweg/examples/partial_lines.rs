//! Events from a network stream: packets may end in the middle of a line. An
//! operator keeps unfinished lines until the rest arrives.

use serde_json::Value;
use thalweg::{Acks, Context, EmitResult, Error, Never, OnError, Operator, Stream};

/// Splits packets into lines, which end with `\n`, and joins lines that span several packets.
#[derive(Default)]
struct DataReceiver {
    partial_data: String,
    /// Tokens of the packets that contain parts of the line.
    acks: Vec<Acks>,
}

impl Operator for DataReceiver {
    type In = String;
    type Out = String;
    type Event = Never;
    const KIND: &'static str = "data_receiver";

    fn update(&mut self, packet: String, cx: &mut Context<'_, Self>) -> EmitResult {
        self.partial_data.push_str(&packet);
        self.acks.push(cx.acks());
        while let Some(end) = self.partial_data.find('\n') {
            let rest = self.partial_data.split_off(end + 1);
            let line = std::mem::replace(&mut self.partial_data, rest);
            cx.emit_with(Acks::merge(&self.acks), line.trim_end().to_string())?;
            // The rest belongs to this packet.
            self.acks = vec![cx.acks()];
        }
        if self.partial_data.is_empty() {
            self.acks.clear();
        }
        Ok(())
    }

    fn buffered(&self) -> usize {
        usize::from(!self.partial_data.is_empty())
    }

    /// The last line may lack a line ending.
    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let line = std::mem::take(&mut self.partial_data);
        let acks = Acks::merge(&std::mem::take(&mut self.acks));
        match line.is_empty() {
            true => Ok(()),
            false => cx.emit_with(acks, line),
        }
    }
}

/// Fetches events, and calls back with each packet as it arrives.
fn fetch(mut streaming_callback: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
    let stream = "event: message\n\
                  data: {\"title\": \"Thalweg\", \"bot\": false}\n\n\
                  data: {\"title\": \"River\", \"bot\": true}\n\n\
                  data: {\"title\": \"Unfini\n\n\
                  data: {\"title\": \"Delta\", \"bot\": false}";
    let mut rest = stream;
    while !rest.is_empty() {
        let (packet, later) = rest.split_at(rest.len().min(7));
        streaming_callback(packet)?;
        rest = later;
    }
    Ok(())
}

pub(crate) fn main() -> Result<(), Error> {
    let packets = Stream::new();
    let events = packets
        .apply(DataReceiver::default())
        .filter(|line| line.starts_with("data:"))
        .try_map(|line| serde_json::from_str::<Value>(&line["data:".len()..]))
        .on_error(OnError::Skip);
    events.sink(|event| println!("{event}"));
    let titles = events
        .map(|event| event["title"].as_str().unwrap_or_default().to_string())
        .sink_to_list();

    fetch(|packet| packets.emit(packet.to_string()).wait())?;
    packets.drain("5s").wait()?;

    assert_eq!(titles.to_vec(), ["Thalweg", "River", "Delta"]);
    assert_eq!(events.counters().failed, 1);
    Ok(())
}
