//! Parser for server-sent events, as specified by the [HTML
//! standard](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::time::Duration;

use memchr::memchr2;

use super::SseEvent;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event longer than the limit, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {max_len} bytes")]
pub struct SseTooLong {
    /// The limit, in bytes.
    pub max_len: usize,
}

/// Parser of server-sent events from chunks of any size.
///
/// The result does not depend on where chunks end: it may be within a line ending or a character. Invalid UTF-8 becomes
/// U+FFFD, as the standard says. It buffers at most one event.
///
/// ```
/// use thalweg_io::sse::SseParser;
///
/// let mut parser = SseParser::new(1024);
/// let mut events = Vec::new();
/// for chunk in ["id: 7\nda", "ta: 20.5\r", "\n\r\nevent: end\ndata\n\n"] {
///     parser.push(chunk.as_bytes(), |event| events.push(event));
/// }
/// let [Ok(reading), Ok(end)] = &events[..] else { panic!("two events") };
/// assert_eq!((&*reading.id, &*reading.event, &*reading.data), ("7", "message", "20.5"));
/// assert_eq!((&*end.id, &*end.event, &*end.data), ("7", "end", ""));
/// ```
#[derive(Clone, Debug)]
pub struct SseParser {
    max_len: usize,
    /// The incomplete line at the end, at most one byte longer than the limit.
    line: Vec<u8>,
    is_first_line: bool,
    /// Whether a line feed would complete the line ending before it.
    skips_line_feed: bool,
    data: Vec<u8>,
    event: Vec<u8>,
    id: Vec<u8>,
    last_event_id: String,
    is_too_long: bool,
    retry: Option<Duration>,
}

impl SseParser {
    /// Creates a parser for events of at most `max_len` bytes of data, in lines of at most that length.
    pub fn new(max_len: usize) -> Self {
        Self {
            max_len,
            line: Vec::new(),
            is_first_line: true,
            skips_line_feed: false,
            data: Vec::new(),
            event: Vec::new(),
            id: Vec::new(),
            last_event_id: String::new(),
            is_too_long: false,
            retry: None,
        }
    }

    /// Parses the next bytes, and calls `each` with every completed event, or with an error in its place.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Result<SseEvent, SseTooLong>)) {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.skips_line_feed) && first == b'\n' {
                rest = after;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.keep(rest);
                return;
            };
            let (line, ending) = rest.split_at(end);
            self.skips_line_feed = ending[0] == b'\r';
            rest = &ending[1..];
            let parsed = if self.line.is_empty() {
                self.parse_line(line)
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.line);
                let parsed = self.parse_line(&whole);
                self.line = whole;
                self.line.clear();
                parsed
            };
            if let Some(event) = parsed {
                each(event);
            }
        }
    }

    /// Id of the last event, or the one that was set; sent when reconnecting. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Sets the id of the last event.
    pub fn set_last_event_id(&mut self, id: impl Into<String>) {
        self.last_event_id = id.into();
        self.id.clear();
        self.id.extend_from_slice(self.last_event_id.as_bytes());
    }

    /// Reconnection time that the server asked for, if any.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Drops the incomplete event, before the bytes of another connection arrive. The last event id and the
    /// reconnection time stay.
    pub fn restart(&mut self) {
        self.line.clear();
        self.is_first_line = true;
        self.skips_line_feed = false;
        self.data.clear();
        self.event.clear();
        self.is_too_long = false;
        self.id.clear();
        self.id.extend_from_slice(self.last_event_id.as_bytes());
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self
            .max_len
            .saturating_add(1)
            .saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn parse_line(&mut self, line: &[u8]) -> Option<Result<SseEvent, SseTooLong>> {
        let is_too_long = line.len() > self.max_len;
        let line = if std::mem::take(&mut self.is_first_line) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        };
        match line.first() {
            None => return self.dispatch(),
            // A comment.
            Some(b':') => return None,
            Some(_) if is_too_long => {
                self.is_too_long = true;
                return None;
            }
            Some(_) => {}
        }
        // Comparing with the few short names is faster than searching for the colon.
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" if self.data.len() + value.len() > self.max_len => self.is_too_long = true,
            b"data" if !self.is_too_long => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.id.clear();
                self.id.extend_from_slice(value);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = std::str::from_utf8(value).ok().and_then(|x| x.parse().ok());
                self.retry = Some(Duration::from_millis(millis.unwrap_or(u64::MAX)));
            }
            _ => {}
        }
        None
    }

    /// Dispatches an event at an empty line.
    fn dispatch(&mut self) -> Option<Result<SseEvent, SseTooLong>> {
        if self.id != self.last_event_id.as_bytes() {
            self.last_event_id = text(&self.id);
        }
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let event = if is_too_long {
            Some(Err(SseTooLong {
                max_len: self.max_len,
            }))
        } else if self.data.is_empty() {
            None
        } else {
            self.data.pop();
            Some(Ok(SseEvent {
                id: self.last_event_id.clone(),
                event: match &self.event[..] {
                    b"" => "message".to_owned(),
                    name => text(name),
                },
                data: text(&self.data),
            }))
        };
        self.data.clear();
        self.event.clear();
        event
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    type Parsed = Result<(String, String, String), SseTooLong>;

    fn parse_in<'a>(max_len: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Parsed> {
        let mut parser = SseParser::new(max_len);
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(chunk, |event| {
                events.push(event.map(|event| (event.id, event.event, event.data)));
            });
        }
        events
    }

    /// Data of the events.
    fn data(text: &[u8]) -> Vec<String> {
        let events = parse_in(100, [text]);
        let data = events
            .into_iter()
            .map(|event| event.map(|(_, _, data)| data));
        data.collect::<Result<_, _>>()
            .expect("no event is too long")
    }

    #[test]
    fn the_examples_of_the_standard() {
        let stocks = b"data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(data(stocks), ["YHOO\n+2\n10"]);
        let four = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let event =
            |id: &str, data: &str| Ok((id.to_owned(), "message".to_owned(), data.to_owned()));
        assert_eq!(
            parse_in(100, [&four[..]]),
            [
                event("1", "first event"),
                event("", "second event"),
                event("", " third event")
            ]
        );
        assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn lines_end_with_either_or_both_of_carriage_return_and_line_feed() {
        for ending in ["\n", "\r", "\r\n"] {
            let text = ["data: a", "data: b", "", "data: c", "", ""].join(ending);
            assert_eq!(data(text.as_bytes()), ["a\nb", "c"], "{ending:?}");
        }
        let split = [&b"data: a\r"[..], b"\ndata: b\r\n", b"\r", b"\n", b"\n"];
        assert_eq!(parse_in(100, split).len(), 1);
    }

    #[test]
    fn one_byte_order_mark_is_skipped() {
        assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n"), ["a"]);
        assert!(data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n").is_empty());
        assert!(data(b"\n\xef\xbb\xbfdata: a\n\n").is_empty());
    }

    #[test]
    fn events_have_types_and_ids() {
        let text = b"event: up\nid: 1\ndata: a\n\ndata: b\n\nid: 2\x003\ndata: c\n\nevent: none\nid: 4\n\ndata: d\n\n";
        let event = |id: &str, name: &str, data: &str| {
            Ok((id.to_owned(), name.to_owned(), data.to_owned()))
        };
        assert_eq!(
            parse_in(100, [&text[..]]),
            [
                event("1", "up", "a"),
                event("1", "message", "b"),
                event("1", "message", "c"),
                event("4", "message", "d"),
            ]
        );
    }

    #[test]
    fn unknown_and_misspelled_fields_are_ignored() {
        assert_eq!(
            data(b"Data: a\n data: b\ndata : c\ndatum\ndata: d\n\n"),
            ["d"]
        );
    }

    #[test]
    fn retry_accepts_digits_only() {
        for (value, retry) in [
            ("1500", Some(1500)),
            ("0", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            let mut parser = SseParser::new(100);
            parser.push(format!("retry: {value}\n").as_bytes(), |_| {});
            assert_eq!(parser.retry(), retry.map(Duration::from_millis), "{value}");
        }
    }

    #[test]
    fn a_new_connection_resumes_after_the_last_complete_event() {
        let mut parser = SseParser::new(100);
        let mut count = 0;
        parser.push(b"id: 1\ndata: a\n\nid: 2\ndata: b", |_| count += 1);
        assert_eq!((parser.last_event_id(), count), ("1", 1));
        parser.restart();
        let mut events = Vec::new();
        parser.push(b"\xef\xbb\xbfdata: c\n\n", |event| events.push(event));
        let event = events.remove(0).expect("it is short");
        assert_eq!((&*event.id, &*event.data), ("1", "c"));
    }

    #[test]
    fn invalid_utf_8_is_replaced() {
        assert_eq!(
            data(b"data: a\xf0\x9f\n\ndata: \xffb\n\n"),
            ["a\u{fffd}", "\u{fffd}b"]
        );
    }

    #[test]
    fn an_oversized_event_is_an_error_at_its_position() {
        let text = b"data: aaaa\ndata: bbbb\n\ndata: c\n\ndata: 0123456789\n\n: 0123456789 comment\ndata: d\n\n";
        let parsed = parse_in(10, text.chunks(3));
        let data: Vec<_> = parsed
            .into_iter()
            .map(|event| event.map(|(_, _, data)| data))
            .collect();
        let too_long = || Err(SseTooLong { max_len: 10 });
        assert_eq!(
            data,
            [
                Ok("aaaa\nbbbb".to_owned()),
                Ok("c".to_owned()),
                too_long(),
                Ok("d".to_owned())
            ]
        );
        let lines = b"data: aaaa\ndata: bbbb\ndata: cccc\n\n";
        assert_eq!(parse_in(10, [&lines[..]]).len(), 1);
        assert!(parse_in(10, [&lines[..]])[0].is_err());
    }

    const WORDS: &[&[u8]] = &[
        b"data",
        b"id",
        b"event",
        b"retry",
        b":",
        b" ",
        b"\r",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\0",
        b"7",
        b"\xff",
        "\u{1f600}".as_bytes(),
        BYTE_ORDER_MARK,
        b"long long long",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn events_do_not_depend_on_chunk_boundaries(
            words in vec(
                select(WORDS),
                0..60,
            ),
            ends in vec(0..200_usize, 0..20),
        ) {
            let text = words.concat();
            let mut ends: Vec<_> = ends.into_iter().map(|end| end.min(text.len())).collect();
            ends.extend([0, text.len()]);
            ends.sort_unstable();
            let chunks = ends.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            prop_assert_eq!(parse_in(20, chunks), parse_in(20, [&text[..]]));
        }
    }

    #[test]
    fn without_a_limit_an_event_has_any_length() {
        let parsed = parse_in(usize::MAX, [&b"data: a"[..], b"b\n\n"]);
        assert!(parsed.iter().all(Result::is_ok));
        assert_eq!(parsed.len(), 1);
    }
}
