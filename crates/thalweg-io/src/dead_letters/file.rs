//! Letters in a file, one per line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::letter::MAX_LEN;
use super::{DeadLetter, DeadLetterError};

/// Appends letters to a file.
pub(super) struct Writer {
    path: PathBuf,
    open: Option<File>,
}

impl Writer {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    pub(super) fn write(&mut self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        let mut text = String::new();
        for letter in letters {
            text += &letter.to_json();
            text.push('\n');
        }
        let written = self.file().and_then(|mut file| {
            // A half-written batch would be duplicated when it is written again.
            let len = file.seek(SeekFrom::End(0))?;
            file.write_all(text.as_bytes())
                .inspect_err(|_| drop(file.set_len(len)))
        });
        written.map_err(|source| failed(&self.path, source))
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = match self.open.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        Ok(self.open.insert(file))
    }
}

/// Opens a file, and ends its last line if it was cut off.
fn open(path: &Path) -> io::Result<File> {
    let options = OpenOptions::new()
        .append(true)
        .create(true)
        .read(true)
        .open(path);
    let mut file = options?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// The letters that were in the file when it was opened.
pub(super) struct Reader {
    path: PathBuf,
    lines: BufReader<io::Take<File>>,
    offset: u64,
}

impl Reader {
    /// Starts at an offset, or at the beginning if the file is shorter than that.
    pub(super) fn open(path: &Path, offset: u64) -> Result<Self, DeadLetterError> {
        let opened = File::open(path).and_then(|mut file| {
            let len = file.metadata()?.len();
            let offset = if offset > len { 0 } else { offset };
            file.seek(SeekFrom::Start(offset))?;
            Ok((BufReader::new(file.take(len - offset)), offset))
        });
        let (lines, offset) = opened.map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            offset,
        })
    }

    /// Reads the next letter and the offset after it.
    ///
    /// # Errors
    /// The file cannot be read, or the line is not a letter; in that case the next call continues with the next line.
    pub(super) fn next(&mut self) -> Result<Option<(DeadLetter, u64)>, DeadLetterError> {
        loop {
            let begin = self.offset;
            let mut line = Vec::new();
            let len = self.read_line(&mut line);
            let len = len.map_err(|source| failed(&self.path, source))?;
            if len == 0 {
                return Ok(None);
            }
            let place = self.path.display().to_string();
            if line.len() < len {
                let node = String::new();
                return Err(DeadLetterError::TooLong { place, node, len });
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|error| error.to_string());
            let letter = text
                .and_then(|text| DeadLetter::from_json(text).map_err(|error| error.to_string()));
            return match letter {
                Ok(letter) => Ok(Some((letter, self.offset))),
                Err(problem) => Err(DeadLetterError::NoLetter {
                    place,
                    at: format!("the line at byte {begin}"),
                    problem,
                }),
            };
        }
    }

    /// Reads a line, keeping at most the maximum length of a letter; returns its length in bytes.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        let mut len = 0;
        loop {
            let chunk = self.lines.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |at| at + 1);
            if len + taken <= MAX_LEN {
                line.extend_from_slice(&chunk[..taken]);
            }
            self.lines.consume(taken);
            self.offset += taken as u64;
            len += taken;
            if end.is_some() || taken == 0 {
                return Ok(len);
            }
        }
    }
}

/// Reads the replay position: the offset up to which letters have been replayed.
pub(super) fn replayed(path: &Path) -> Result<Option<String>, DeadLetterError> {
    let beside = beside(path, "replayed");
    match fs::read_to_string(&beside) {
        Ok(text) => match text.trim().parse::<u64>() {
            Ok(offset) => Ok(Some(offset.to_string())),
            Err(_) => Err(DeadLetterError::Invalid {
                place: path.display().to_string(),
                problem: format!(
                    "{} holds no number of bytes; remove it to replay all letters",
                    beside.display()
                ),
            }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(&beside, source)),
    }
}

/// Stores the replay position atomically: a crash leaves either the old one or the new one.
pub(super) fn keep_replayed(path: &Path, offset: &str) -> Result<(), DeadLetterError> {
    let (beside, new) = (beside(path, "replayed"), beside(path, "replayed.new"));
    let kept = fs::write(&new, offset).and_then(|()| fs::rename(&new, &beside));
    kept.map_err(|source| failed(&beside, source))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn failed(path: &Path, source: io::Error) -> DeadLetterError {
    DeadLetterError::File {
        place: path.display().to_string(),
        source,
    }
}
