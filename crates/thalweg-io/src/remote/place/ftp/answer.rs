//! Answers of FTP servers (RFC 959, section 4.2), parsed from bytes that arrive in pieces.

use super::reason;
use crate::remote::RemoteFailure;
use crate::remote::error::Trouble;

/// Maximum length of an answer, in bytes.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Text of the last line, or of the first if the answer is not a success.
    pub(crate) text: String,
}

impl Answer {
    /// Its text, if it has the expected code.
    pub(super) fn text_if(self, code: u16) -> Option<String> {
        (self.code == code).then_some(self.text)
    }

    pub(super) fn trouble(self) -> Trouble {
        let reason = reason(self.code, &self.text);
        let problem = format!("the server answered {} {}", self.code, self.text);
        Trouble::new(reason, problem, reason == RemoteFailure::Network)
    }

    /// # Errors
    /// It is not a success.
    pub(super) fn check(self) -> Result<Self, Trouble> {
        match self.code {
            200..400 => Ok(self),
            _ => Err(self.trouble()),
        }
    }

    /// The port of `229 Entering Extended Passive Mode (|||6446|)`.
    pub(crate) fn extended_port(&self) -> Option<u16> {
        let (_, inside) = self.text.split_once('(')?;
        let (inside, _) = inside.split_once(')')?;
        let delimiter = inside.chars().next()?;
        inside.split(delimiter).nth(3)?.parse().ok()
    }

    /// The port of `227 Entering Passive Mode (127,0,0,1,25,46)`. The address is ignored: it may be in another network.
    pub(crate) fn passive_port(&self) -> Option<u16> {
        let start = self.text.find(|letter: char| letter.is_ascii_digit())?;
        let numbers = self.text[start..].split(|letter: char| !letter.is_ascii_digit());
        let numbers: Vec<u8> = numbers.map_while(|number| number.parse().ok()).collect();
        match numbers[..] {
            [_, _, _, _, high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }
}

/// Received bytes, and the answers in them.
#[derive(Debug)]
pub(crate) struct AnswerBuffer {
    received: Vec<u8>,
    /// Length of the part of `received` that is known to have no end of a line.
    searched: usize,
    partial: Option<Partial>,
    max_len: usize,
}

/// An answer of several lines, without its last one.
#[derive(Debug)]
struct Partial {
    /// Beginning of the last line.
    end: String,
    answer: Answer,
    /// Length of its lines so far, in bytes.
    len: usize,
}

impl AnswerBuffer {
    /// Rejects answers and lines of more than `max_len` bytes.
    pub(crate) fn new(max_len: usize) -> Self {
        Self {
            received: Vec::new(),
            searched: 0,
            partial: None,
            max_len,
        }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.received.extend_from_slice(piece);
    }

    /// Whether all received bytes belong to returned answers.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty() && self.partial.is_none()
    }

    /// The next answer, if all of it has been received.
    ///
    /// # Errors
    /// It is not an answer of FTP, or too long.
    pub(crate) fn next_answer(&mut self) -> Result<Option<Answer>, Trouble> {
        while let Some(line) = self.next_line()? {
            let Some(partial) = &mut self.partial else {
                let (answer, is_last) = first_line(&line)?;
                if is_last {
                    return Ok(Some(answer));
                }
                self.partial = Some(Partial {
                    end: format!("{} ", &line[..3]),
                    answer,
                    len: line.len(),
                });
                continue;
            };
            partial.len += line.len();
            if partial.len > self.max_len {
                return Err(not_ftp("too many lines"));
            }
            if let Some(last) = line.strip_prefix(&partial.end) {
                let answer = &mut partial.answer;
                // Some servers give the reason first, on a line of its own.
                if answer.code < 400 || answer.text.is_empty() {
                    last.clone_into(&mut answer.text);
                }
                return Ok(self.partial.take().map(|partial| partial.answer));
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<String>, Trouble> {
        let mut unread = self.received[self.searched..].iter();
        let end = unread.position(|byte| *byte == b'\n');
        let end = end.map(|end| self.searched + end);
        if end.unwrap_or(self.received.len()) > self.max_len {
            return Err(not_ftp("a line without an end"));
        }
        let Some(end) = end else {
            self.searched = self.received.len();
            return Ok(None);
        };
        self.searched = 0;
        let line = self.received.drain(..=end).collect::<Vec<_>>();
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// The answer of a first line, and whether it is complete.
fn first_line(line: &str) -> Result<(Answer, bool), Trouble> {
    let (Some(code), Some(rest)) = (line.get(..3), line.get(3..)) else {
        return Err(not_ftp(line));
    };
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
    let (true, Ok(code)) = (is_code, code.parse()) else {
        return Err(not_ftp(line));
    };
    let text = rest.get(1..).unwrap_or_default().to_owned();
    Ok((Answer { code, text }, !rest.starts_with('-')))
}

pub(super) fn not_ftp(line: &str) -> Trouble {
    let line = line.chars().take(80).collect::<String>();
    let problem = format!("the server does not speak FTP: it answered {line:?}");
    Trouble::lasting(RemoteFailure::Other, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer {
            code: 200,
            text: text.to_owned(),
        }
    }

    #[test]
    fn ports_are_parsed_from_replies() {
        let extended = |text| answer(text).extended_port();
        assert_eq!(
            extended("Entering Extended Passive Mode (|||6446|)."),
            Some(6446)
        );
        assert_eq!(extended("(|||70000|)"), None);
        assert_eq!(extended("nothing"), None);
        let passive = |text| answer(text).passive_port();
        assert_eq!(
            passive("Entering Passive Mode (127,0,0,1,25,46)."),
            Some(25 * 256 + 46)
        );
        assert_eq!(passive("Entering Passive Mode 10,0,0,1,0,21"), Some(21));
        assert_eq!(passive("(1,2,3)"), None);
        assert_eq!(passive("(1,2,3,4,5,600)"), None);
    }

    #[test]
    fn multi_line_replies_end_with_their_code() {
        let mut buffer = AnswerBuffer::new(100);
        buffer.push(b"220-Welcome\r\n221 no end\r\n220 Ready\r\n550-No such file\r\n550 End\r\n21");
        let mut next = || buffer.next_answer().expect("it is FTP");
        assert_eq!(
            next(),
            Some(Answer {
                code: 220,
                text: "Ready".to_owned()
            })
        );
        assert_eq!(
            next(),
            Some(Answer {
                code: 550,
                text: "No such file".to_owned()
            })
        );
        assert_eq!(next(), None);
        buffer.push(b"3 5\n");
        let last = buffer.next_answer().expect("it is FTP");
        assert_eq!(
            last.and_then(|answer| answer.text_if(213)),
            Some("5".to_owned())
        );
        assert!(buffer.is_empty());
    }

    #[test]
    fn invalid_and_oversized_replies_are_errors() {
        for wrong in ["HTTP/1.1 200 OK\r\n", "+21 x\n", "22\n", "\u{fc}2 x\n"] {
            let mut buffer = AnswerBuffer::new(100);
            buffer.push(wrong.as_bytes());
            assert!(buffer.next_answer().is_err(), "{wrong}");
        }
        let mut buffer = AnswerBuffer::new(100);
        buffer.push(b"220-Welcome\n");
        let lines = (0..20).find(|_| {
            buffer.push(b"a line\n");
            buffer.next_answer().is_err()
        });
        assert!(lines.is_some());
        buffer = AnswerBuffer::new(100);
        buffer.push(&[b'2'; 101]);
        assert!(buffer.next_answer().is_err());
    }
}
