#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::prelude::*;
use thalweg::Stream;

use super::*;
use crate::{Position, files::FileError};

/// Records, and the places of invalid ones.
type Seen<T> = Vec<Result<T, (u64, u64, String)>>;

fn read<T>(records: &Records<T>, pieces: &[&[u8]]) -> Seen<T> {
    let mut buffer = records.buffer();
    let mut seen = Vec::new();
    let mut take = |record: Result<T, RecordError>| {
        seen.push(record.map_err(|error| (error.line, error.byte, error.problem.to_string())));
    };
    for piece in pieces {
        buffer.push(piece);
        while let Some(record) = buffer.next_record() {
            take(record);
        }
    }
    while let Some(record) = buffer.finish() {
        take(record);
    }
    seen
}

fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut lengths) = (bytes, lengths.iter().cycle());
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let len = lengths.next().copied().unwrap_or(1);
        let (piece, behind) = rest.split_at(rest.len().min(len.max(1)));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

#[test]
fn a_bad_json_line_is_reported_with_its_place_and_empty_lines_are_skipped() {
    let text = b"\xef\xbb\xbf1\r\n\n \n[\n3";
    let seen = read(&Records::<u32>::jsonl(), &[text]);
    assert_eq!(seen.len(), 3);
    assert_eq!((&seen[0], &seen[2]), (&Ok(1), &Ok(3)));
    let (line, byte, _) = seen[1].as_ref().unwrap_err();
    assert_eq!((*line, *byte), (4, 9));
}

#[test]
fn csv_supports_quotes_and_line_breaks_in_values_and_reports_places() {
    let text =
        b"\xef\xbb\xbfname,note\r\na,\"two\nlines, \"\"quoted\"\"\"\r\n\r\nb\nc,\xff\nd,last";
    let seen = read(&Records::<(String, String)>::csv(), &[text]);
    let pair = |a: &str, b: &str| Ok((a.to_string(), b.to_string()));
    assert_eq!(seen[0], pair("a", "two\nlines, \"quoted\""));
    assert_eq!(seen[1], Err((5, 43, "1 values for 2 columns".to_string())));
    assert_eq!(
        seen[2],
        Err((6, 45, "invalid UTF-8 in column 2".to_string()))
    );
    assert_eq!(seen[3..], [pair("d", "last")]);
}

#[test]
fn an_oversized_record_is_reported_once_and_not_buffered() {
    let long = "x".repeat(10_000);
    let text = format!("a\n1\n{long}\n2\n");
    for lengths in [[7], [100_000]] {
        let pieces = cut(text.as_bytes(), &lengths);
        let seen = read(&Records::<(u32,)>::csv().max_len(100), &pieces);
        let problem = "the record is longer than the 100 bytes allowed".to_string();
        assert_eq!(seen, [Ok((1,)), Err((3, 4, problem)), Ok((2,))]);
    }
    let mut buffer = Records::csv_rows().max_len(100).buffer();
    buffer.push(b"a\n\"");
    let mut errors = 0;
    for _ in 0..1000 {
        buffer.push(&[b'x'; 1000]);
        while let Some(record) = buffer.next_record() {
            errors += usize::from(record.is_err());
        }
    }
    assert_eq!(errors, 1);
}

#[test]
fn a_file_resumes_after_a_position_with_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pairs.csv");
    fs::write(&path, "b,a\n1,2\n\"3\",4\n5,6\n").unwrap();
    let read = |position: &Position| {
        let records = RecordFile::new(&path, Records::csv_rows()).position(position);
        let rows = Stream::from_records(records);
        let list = rows
            .map(|row| row.get("a").map(str::to_string))
            .sink_to_list();
        rows.run("10s").wait().unwrap();
        list.to_vec().into_iter().flatten().collect::<Vec<_>>()
    };
    let position = Position::new("pairs");
    assert_eq!(read(&position), ["2", "4", "6"]);
    assert_eq!(position.value().as_deref(), Some("18"));
    assert!(read(&position).is_empty());
    assert_eq!(read(&Position::behind("pairs", "8")), ["4", "6"]);
    // It is another file.
    assert_eq!(read(&Position::behind("pairs", "800")), ["2", "4", "6"]);
}

#[test]
fn a_bad_record_is_a_failure_with_its_place_and_the_others_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("numbers.jsonl");
    fs::write(&path, "1\ntwo\n3\n").unwrap();
    let numbers: Stream<u32> = Stream::from_jsonl(&path);
    let failures = numbers.errors().map(|failure| failure.cause().to_string());
    let failures = failures.sink_to_list();
    let list = numbers.sink_to_list();
    numbers.run("10s").wait().unwrap();
    assert_eq!(list.to_vec(), [1, 3]);
    let place = format!("{}: line 2, byte 2: ", path.display());
    assert!(failures.to_vec()[0].starts_with(&place), "{failures:?}");
}

#[test]
fn a_missing_file_is_named() {
    let records: Stream<u32> = Stream::from_jsonl("/no/such/file.jsonl");
    let error = records.run("10s").wait().unwrap_err().to_string();
    assert!(
        error.contains("cannot open /no/such/file.jsonl: "),
        "{error}"
    );
    assert!(error.contains("check its name"), "{error}");
}

use crate::files::FromJsonl;

#[test]
fn errors_can_be_sent_between_threads() {
    fn is_error<E: std::error::Error + Send + Sync + 'static>() {}
    is_error::<FileError>();
    is_error::<RecordError>();
}

/// Bytes with many characters special to a parser.
fn bytes(special: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => prop::sample::select(special), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..80)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..12, 1..20)
}

proptest! {
    #[test]
    fn csv_does_not_depend_on_chunk_boundaries(
        bytes in bytes(b"ab,,\"\"\n\n\r\xef\xbb\xbf"), lengths in pieces(), max_len in 1_usize..40,
    ) {
        let records = Records::csv_rows().max_len(max_len);
        prop_assert_eq!(read(&records, &[&bytes]), read(&records, &cut(&bytes, &lengths)));
    }

    #[test]
    fn csv_matches_the_csv_crate(bytes in bytes(b"ab,,\"\"\n\n\r")) {
        let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(&bytes[..]);
        let header_len = reader.byte_headers().map_or(0, ::csv::ByteRecord::len);
        let expected: Vec<Option<Vec<String>>> = reader
            .byte_records()
            .map(|record| {
                let record = ::csv::StringRecord::from_byte_record(record.ok()?).ok()?;
                (record.len() == header_len).then(|| record.iter().map(str::to_string).collect())
            })
            .collect();
        let header_is_text = ::csv::Reader::from_reader(&bytes[..]).headers().is_ok();
        prop_assume!(header_is_text);
        let seen = read(&Records::csv_rows(), &[&bytes]);
        let seen: Vec<_> = seen
            .into_iter()
            .map(|row| Some(row.ok()?.iter().map(|(_, value)| value.to_string()).collect()))
            .collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn json_lines_do_not_depend_on_chunk_boundaries(
        bytes in bytes(b"12[],\"\n\n\r \xef\xbb\xbf"), lengths in pieces(), max_len in 1_usize..40,
    ) {
        let records = Records::<serde_json::Value>::jsonl().max_len(max_len);
        prop_assert_eq!(read(&records, &[&bytes]), read(&records, &cut(&bytes, &lengths)));
    }

    #[test]
    fn messages_do_not_depend_on_chunk_boundaries(
        bytes in bytes(b"\0\0\0\x01\x02\xff"), lengths in pieces(), max_len in 1_usize..40,
        width in prop::sample::select(vec![1, 2, 4, 8]),
    ) {
        let width = PrefixWidth::of(width).unwrap();
        let records = Records::length_prefixed(width).max_len(max_len);
        prop_assert_eq!(read(&records, &[&bytes]), read(&records, &cut(&bytes, &lengths)));
    }
}
