//! Parsers of chunked bytes: the result does not depend on the chunks, and no record exceeds its limit.

use std::fmt::Debug;

use super::{cut, fuzz};
use crate::fetch::robots::Rules;
use crate::files::{PrefixWidth, Records};
#[cfg(feature = "remote-ftp")]
use crate::remote::place::ftp::answer::AnswerBuffer;
use crate::sse::SseParser;
use crate::{DeadLetter, Lines};

/// The longest record, in bytes.
const MAX_LEN: usize = 40;

fn records<T: Debug + PartialEq>(
    records: &Records<T>,
    input: &[u8],
    pieces: &[usize],
    len: fn(&T) -> usize,
) {
    let read = |pieces: &[usize]| {
        let mut buffer = records.buffer();
        let mut seen = Vec::new();
        for piece in cut(input, pieces) {
            buffer.push(piece);
            seen.extend(std::iter::from_fn(|| buffer.next_record()));
        }
        seen.extend(std::iter::from_fn(|| buffer.finish()));
        assert!(buffer.offset() <= input.len() as u64);
        let shown = seen.into_iter().map(|record| match record {
            Ok(record) => {
                assert!(len(&record) <= MAX_LEN, "{record:?} is too long");
                Ok(record)
            }
            Err(error) => {
                assert!(
                    error.byte <= input.len() as u64 && error.line > 0,
                    "{error}"
                );
                Err(error.to_string())
            }
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(read(pieces), read(&[usize::MAX]));
}

#[test]
fn csv() {
    let words: [&[u8]; 9] = [
        b",",
        b"\"",
        b"\n",
        b"\r\n",
        b"\r",
        b"\"\"",
        b"a",
        b"\xef\xbb\xbf",
        b"\xff",
    ];
    let rows = Records::csv_rows().max_len(MAX_LEN);
    fuzz("csv", &words, |input, pieces| {
        records(&rows, input, pieces, |row| {
            row.values().iter().map(String::len).sum()
        });
    });
}

#[cfg(feature = "remote-ftp")]
#[test]
fn ftp() {
    let words: [&[u8]; 14] = [
        b"220 Ready\r\n",
        b"220-",
        b"220 ",
        b"550-No such file\r\n",
        b"550 ",
        b"\r\n",
        b"\n",
        b"229 (|||6446|)\n",
        b"227 (127,0,0,1,25,46)\n",
        b"(",
        b"|",
        b",256",
        b"\xc3\xbc",
        b"\xff",
    ];
    fuzz("ftp", &words, |input, pieces| {
        let read = |pieces: &[usize]| {
            let mut buffer = AnswerBuffer::new(MAX_LEN);
            let mut seen = Vec::new();
            for piece in cut(input, pieces) {
                buffer.push(piece);
                loop {
                    match buffer.next_answer() {
                        Ok(Some(answer)) => {
                            // Replacements of invalid UTF-8 take three bytes each.
                            assert!(answer.code < 1000 && answer.text.len() <= 3 * MAX_LEN);
                            let ports = (answer.extended_port(), answer.passive_port());
                            seen.push(Ok((answer, ports)));
                        }
                        Ok(None) => break,
                        Err(trouble) => {
                            seen.push(Err(format!("{trouble:?}")));
                            return seen;
                        }
                    }
                }
            }
            seen
        };
        assert_eq!(read(pieces), read(&[usize::MAX]));
    });
}

#[test]
fn jsonl() {
    let words: [&[u8]; 12] = [
        b"\n",
        b"\r\n",
        b"{\"a\":",
        b"}",
        b"[",
        b"]",
        b"1e9",
        b"\"",
        b"\\u00fc",
        b"null",
        b",",
        b"\xef\xbb\xbf",
    ];
    let texts = Records::json_texts().max_len(MAX_LEN);
    fuzz("jsonl", &words, |input, pieces| {
        records(&texts, input, pieces, String::len)
    });
}

#[test]
fn length_prefix() {
    let words: [&[u8]; 6] = [
        b"\0",
        b"\0\0\0\x01",
        b"\x02",
        b"\xff\xff\xff\xff",
        b"\x28",
        b"\x29",
    ];
    let widths = [1, 2, 4, 8].map(|width| PrefixWidth::of(width).expect("there is one"));
    let all = widths.map(|width| Records::length_prefixed(width).max_len(MAX_LEN));
    fuzz("length_prefix", &words, |input, pieces| {
        for messages in &all {
            records(messages, input, pieces, Vec::len);
        }
    });
}

#[test]
fn lines() {
    let words: [&[u8]; 6] = [b"\n", b"\r\n", b"\r", b"ab", b"\xc3\xbc", b"\xff"];
    let plain = Lines::text().max_len(MAX_LEN);
    let all = [
        plain.clone(),
        plain.clone().delimiter("ab"),
        plain.delimiter("aab"),
    ];
    let read = |text: &Lines<String>, input: &[u8], pieces: &[usize]| {
        let mut buffer = text.buffer().expect("it is not empty");
        let mut seen = Vec::new();
        for piece in cut(input, pieces) {
            buffer.push(piece);
            seen.extend(std::iter::from_fn(|| buffer.next_line()));
        }
        seen.extend(buffer.finish());
        assert!(seen.iter().flatten().all(|line| line.len() <= MAX_LEN));
        seen
    };
    fuzz("lines", &words, |input, pieces| {
        for text in &all {
            assert_eq!(read(text, input, pieces), read(text, input, &[usize::MAX]));
        }
    });
}

#[test]
fn sse() {
    let words: [&[u8]; 13] = [
        b"data:",
        b"id:",
        b"event:",
        b"retry: 1",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xc3\xbc",
        b"\0",
        b"a",
    ];
    fuzz("sse", &words, |input, pieces| {
        let read = |pieces: &[usize]| {
            let mut parser = SseParser::new(MAX_LEN);
            let mut seen = Vec::new();
            for piece in cut(input, pieces) {
                parser.push(piece, |event| {
                    let event = event.map(|event| {
                        // Replacements of invalid UTF-8 take three bytes each.
                        assert!(event.data.len() <= 3 * MAX_LEN);
                        (event.id, event.event, event.data)
                    });
                    seen.push(event.map_err(|error| error.to_string()));
                });
            }
            (seen, parser.retry(), parser.last_event_id().to_string())
        };
        assert_eq!(read(pieces), read(&[usize::MAX]));
    });
}

#[test]
fn dead_letters() {
    let words: [&[u8]; 11] = [
        b"{\"node\":\"n\",\"ordinal\":1,\"attempt\":1,\"error\":\"e\",\"element\":1}",
        b"\"bytes\":\"AAA=\"",
        b"\"shown\":\"x\"",
        b"\"element\":",
        b"{",
        b"}",
        b",",
        b"\"",
        b"null",
        b"-1",
        b"\\ud800",
    ];
    fuzz("dead_letters", &words, |input, _| {
        if let Ok(text) = std::str::from_utf8(input)
            && let Ok(letter) = DeadLetter::from_json(text)
        {
            let again = DeadLetter::from_json(&letter.to_json()).expect("it is one");
            assert_eq!(again.to_json(), letter.to_json());
            assert!(!letter.to_json().contains('\n'));
        }
    });
}

#[test]
fn robots() {
    let words: [&[u8]; 16] = [
        b"User-agent: ",
        b"*",
        b"thalweg",
        b"Disallow: ",
        b"Allow: ",
        b"Crawl-delay: ",
        b"1e9",
        b"/",
        b"$",
        b"%2a",
        b"%e3",
        b"#",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
        b"a",
    ];
    fuzz("robots", &words, |input, _| {
        let rules = Rules::parse(input, "thalweg");
        assert!(rules.delay().is_none_or(|delay| delay.as_secs() <= 300));
        assert!(rules.forbidding("/robots.txt").is_none());
        // Adding a rule that forbids everything must not allow more.
        let mut stricter = input.to_vec();
        stricter.extend(b"\nUser-agent: thalweg\nDisallow: /*");
        let stricter = Rules::parse(&stricter, "thalweg");
        for path in ["/", "/a", "/a/%2A$", "/%E3%83%84?a=b"] {
            if let Some(rule) = rules.forbidding(path) {
                assert!(rule.starts_with("Disallow: ") && rule.len() < 500);
            }
            if !input
                .windows(5)
                .any(|word| word.eq_ignore_ascii_case(b"allow"))
            {
                assert!(rules.forbidding(path).is_none());
                assert!(stricter.forbidding(path).is_some());
            }
        }
    });
}
