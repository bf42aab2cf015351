//! File names from a template.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::FileError;

/// Suffix and prefix of an incomplete file's name.
const PARTIAL: &str = ".partial";

/// The same while it is written again.
const AGAIN: &str = ".again";

/// The same of a record of positions.
const RECORD: &str = ".position";

/// Minimum number of digits.
const DIGITS: usize = 6;

/// A name with the placeholders `{number}` and `{start}`.
#[derive(Clone, Debug)]
pub(super) struct Template {
    path: PathBuf,
    folder: PathBuf,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Number,
    Start,
}

impl Template {
    /// # Errors
    /// [`FileError::Invalid`].
    pub(super) fn parse(path: &Path) -> Result<Self, FileError> {
        let name = path.file_name().and_then(OsStr::to_str);
        let name = name.ok_or_else(|| FileError::invalid(path, "the name of a file is text"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if folder.to_string_lossy().contains(['{', '}']) {
            let problem = "only the file's own name has `{number}` and `{start}`, not its folder's";
            return Err(FileError::invalid(path, problem));
        }
        let mut parts = Vec::new();
        let mut rest = name;
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_string()));
            }
            let (part, len) = match &rest[at..] {
                here if here.starts_with("{number}") => (Part::Number, "{number}".len()),
                here if here.starts_with("{start}") => (Part::Start, "{start}".len()),
                _ => {
                    let problem = "a name may have `{number}` and `{start}`, and no other braces";
                    return Err(FileError::invalid(path, problem));
                }
            };
            if parts.contains(&part) {
                return Err(FileError::invalid(path, "it has the same part twice"));
            }
            if matches!(parts.last(), Some(Part::Number | Part::Start)) {
                let problem = "put something between `{number}` and `{start}`";
                return Err(FileError::invalid(path, problem));
            }
            parts.push(part);
            rest = &rest[at + len..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_string()));
        }
        let is_ambiguous = parts.windows(2).any(|pair| match pair {
            [Part::Number | Part::Start, Part::Text(text)] => {
                text.starts_with(|next: char| next.is_ascii_digit() || matches!(next, 'T' | 'Z'))
            }
            _ => false,
        });
        if is_ambiguous {
            let problem = "neither a digit nor `T` or `Z` stands behind `{number}` or `{start}`";
            return Err(FileError::invalid(path, problem));
        }
        Ok(Self {
            path: path.to_owned(),
            folder: folder.to_owned(),
            parts,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the name contains a number.
    pub(super) fn is_numbered(&self) -> bool {
        self.parts.contains(&Part::Number)
    }

    /// Name of a file.
    pub(super) fn name(&self, number: u64, start: SystemTime) -> PathBuf {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Number => format!("{number:0DIGITS$}"),
            Part::Start => utc(start),
        });
        self.folder.join(parts.collect::<String>())
    }

    /// Where the positions of sources are stored.
    pub(super) fn record(&self) -> PathBuf {
        record(&self.path)
    }

    /// The records beside files, in the order of these, and the temporary name of each file.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn records(&self) -> io::Result<Vec<(PathBuf, PathBuf)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(self.existing_folder())? {
            let name = entry?.file_name();
            let own = name.to_str().and_then(|name| name.strip_prefix('.'));
            let own = own.and_then(|name| name.strip_suffix(RECORD));
            if let Some(own) = own
                && let Some(number) = self.number_in(own)
            {
                let path = self.folder.join(own);
                records.push((number, record(&path), partial(&path)));
            }
        }
        records.sort();
        let paths = records
            .into_iter()
            .map(|(_, record, partial)| (record, partial));
        Ok(paths.collect())
    }

    fn existing_folder(&self) -> &Path {
        match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        }
    }

    /// The number after the highest existing one; unfinished files of others are removed before.
    ///
    /// # Errors
    /// The folder cannot be read, or not be written to.
    pub(super) fn next_number(&self) -> Result<u64, FileError> {
        let failed = |source| FileError::io("create", &self.path, source);
        let mut next = 0;
        for entry in fs::read_dir(self.existing_folder()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                continue;
            };
            let unfinished = name.strip_prefix('.');
            let unfinished =
                unfinished.and_then(|name| name.strip_suffix(PARTIAL).or(name.strip_suffix(AGAIN)));
            if unfinished.is_some_and(|name| self.number_in(name).is_some()) {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed(error));
                    }
                    _ => {}
                }
            } else if let Some(number) = self.number_in(name) {
                next = next.max(number.saturating_add(1));
            }
        }
        Ok(next)
    }

    /// The number in a name made from this template; zero if the template has no `{number}`.
    fn number_in(&self, name: &str) -> Option<u64> {
        let (mut number, mut rest) = (0, name);
        for part in &self.parts {
            let len = match part {
                Part::Text(text) => rest.starts_with(text.as_str()).then_some(text.len())?,
                Part::Number => {
                    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
                    number = rest[..len].parse().ok().filter(|_| len >= DIGITS)?;
                    len
                }
                Part::Start => rest
                    .bytes()
                    .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'))
                    .count(),
            };
            rest = &rest[len..];
        }
        rest.is_empty().then_some(number)
    }
}

/// Checks that a file may get a name, and replace what has that name: only a file may be replaced, not a device or a
/// pipe.
///
/// # Errors
/// [`FileError::Invalid`].
pub(super) fn check_replaceable(path: &Path) -> Result<(), FileError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let kind = if found.is_dir() {
                "a folder"
            } else {
                "a device, a pipe or a socket"
            };
            let problem = format!(
                "{kind} has this name, and a file would take its place: give it a name of its own"
            );
            Err(FileError::invalid(path, problem))
        }
        // Other problems show when the file is created.
        _ => Ok(()),
    }
}

/// Temporary name of a file: a hidden one beside it.
pub(super) fn partial(path: &Path) -> PathBuf {
    beside(path, PARTIAL)
}

/// Its name while it is written again.
pub(super) fn again(path: &Path) -> PathBuf {
    beside(path, AGAIN)
}

/// Name of a file's record.
pub(super) fn record(path: &Path) -> PathBuf {
    beside(path, RECORD)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

/// A time to the second, such as `20260131T235959Z`.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or(Duration::ZERO).as_secs();
    let (mut year, mut day) = (1970, seconds / 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // Four centuries have a fixed number of days: few years are left.
    year += day / 146_097 * 400;
    day %= 146_097;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    let february = 28 + u64::from(is_leap(year));
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < len {
            break;
        }
        day -= len;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z",
        day + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str) -> Template {
        Template::parse(Path::new(path)).expect("a template")
    }

    #[test]
    fn a_name_is_formatted_from_number_and_time_and_its_number_parsed_back() {
        let template = template("out/part-{number}-{start}.jsonl");
        let name = template.name(12, UNIX_EPOCH + Duration::from_secs(1_769_903_999));
        assert_eq!(name, Path::new("out/part-000012-20260131T235959Z.jsonl"));
        let name = name.file_name().and_then(OsStr::to_str).expect("text");
        assert_eq!(template.number_in(name), Some(12));
        for other in [
            "part-12-20260131T235959Z.jsonl",
            "part-000012-.json",
            "x",
            "",
        ] {
            assert_eq!(template.number_in(other), None, "{other}");
        }
        assert_eq!(
            template.number_in("part-1234567-20260131T235959Z.jsonl"),
            Some(1_234_567)
        );
    }

    #[test]
    fn times_match_the_calendar() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
            (13_574_563_200, "24000229T000000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn an_invalid_template_is_refused_with_a_remedy() {
        for (path, problem) in [
            ("a/{hour}.csv", "and no other braces"),
            ("{number}{number}", "twice"),
            ("{number}{start}", "something between"),
            ("{number}/a.csv", "not its folder's"),
            ("{number}7", "neither a digit"),
            ("..", "is text"),
        ] {
            let error = Template::parse(Path::new(path)).expect_err("it is none");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
