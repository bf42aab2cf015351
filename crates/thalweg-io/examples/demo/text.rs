//! Lines of text: their sizes, the numbers in them, and summing both up.

use std::fmt;
use std::path::Path;

use super::check;

/// So many numbers make a window.
pub(crate) const WINDOW: usize = 10;

/// Separator of the fields of a line.
const SEPARATORS: &[u8] = b" \t\r,;\"";

/// Why a line is set aside.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the last field is not a number: {0:?}")]
pub(crate) struct NotANumber(String);

/// The number in a line's last field.
pub(crate) fn last_number(line: &[u8]) -> Result<f64, NotANumber> {
    let last = line
        .split(|byte| SEPARATORS.contains(byte))
        .rfind(|field| !field.is_empty())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(last);
    // Not every name of a number is taken: the result is to be checked with tools that know no
    // others.
    let number = match last.iter().all(|byte| b"0123456789+-.eE".contains(byte)) {
        true => text.parse::<f64>().ok(),
        false => None,
    };
    // Zero has no sign here.
    let number = number.map(|number| number + 0.0);
    number.ok_or_else(|| {
        let mut shown: String = text.chars().take(40).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        NotANumber(shown)
    })
}

pub(crate) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |sum, number| sum + number) / numbers.len() as f64
}

/// An element of the pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// A line, of so many bytes without its ending.
    Line(usize),
    /// The number in a line.
    Number(f64),
    /// The mean of a full window.
    Mean(f64),
}

/// The result: everything that came through the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    sizes: Sizes,
    numbers: Numbers,
    highest_mean: Option<f64>,
}

/// Sizes of lines, in bytes without their endings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sizes {
    lines: u64,
    bytes: u64,
    longest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Numbers {
    count: u64,
    sum: f64,
    /// The least and the greatest.
    range: Option<(f64, f64)>,
}

impl Sizes {
    fn add(&mut self, size: usize) {
        let size = size as u64;
        self.lines += 1;
        self.bytes += size;
        self.longest = self.longest.max(size);
    }
}

impl Numbers {
    fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum += number;
        let (least, greatest) = self.range.unwrap_or((number, number));
        self.range = Some((least.min(number), greatest.max(number)));
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Summary {
    pub(crate) fn add(&self, part: &Part) -> Self {
        let mut sum = *self;
        match *part {
            Part::Line(size) => sum.sizes.add(size),
            Part::Number(number) => sum.numbers.add(number),
            Part::Mean(mean) => {
                let highest = sum.highest_mean.unwrap_or(mean);
                sum.highest_mean = Some(highest.max(mean));
            }
        }
        sum
    }

    /// How things stand, in a line.
    pub(crate) fn in_short(&self) -> String {
        let Self { sizes, numbers, .. } = self;
        let mut text = format!("lines {}   numbers {}", sizes.lines, numbers.count);
        if let Some(mean) = numbers.mean() {
            text += &format!("   mean {mean:.3}");
        }
        text
    }

    /// The command that finds the same; without a file it reads standard input.
    pub(crate) fn check(file: Option<&Path>) -> String {
        let command = check::awk("text.awk");
        match file {
            Some(file) => format!("{command} {}", check::quoted(file)),
            None => command,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sizes, numbers, .. } = self;
        writeln!(f, "lines           {}", sizes.lines)?;
        writeln!(
            f,
            "bytes           {} without line ends, at most {} in a line",
            sizes.bytes, sizes.longest
        )?;
        let without = sizes.lines - numbers.count;
        writeln!(
            f,
            "numbers         {}, and {without} lines without",
            numbers.count
        )?;
        if let (Some(mean), Some((least, greatest))) = (numbers.mean(), numbers.range) {
            writeln!(f, "sum             {:.6}", numbers.sum)?;
            writeln!(f, "mean            {mean:.6}")?;
            writeln!(f, "range           {least:.6} to {greatest:.6}")?;
        }
        match self.highest_mean {
            Some(mean) => writeln!(f, "highest mean    {mean:.6} of ten in a row"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_field_counts() {
        for (line, number) in [
            ("42", 42.0),
            ("2024-01-31,sensor 7,20.5", 20.5),
            ("a\t-1e3", -1000.0),
            ("\"x\";\"+.5\"\r", 0.5),
            ("7. ,", 7.0),
        ] {
            assert_eq!(last_number(line.as_bytes()), Ok(number), "{line}");
        }
        for line in [
            "",
            " ,",
            "12 apples",
            "1,5x",
            "nan",
            "inf",
            "0x1f",
            "1_000",
            ".",
            "e5",
            "--1",
            "1e",
        ] {
            assert!(last_number(line.as_bytes()).is_err(), "{line}");
        }
        assert!(last_number(b"\xff\xfe").is_err());
    }

    #[test]
    fn invalid_numbers_are_shown_truncated() {
        let error = last_number("1,größer".as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the last field is not a number: \"größer\""
        );
        let error = last_number(&[b'x'; 1000]).unwrap_err();
        assert_eq!(error.0.chars().count(), 41);
    }

    fn summary(text: &[u8]) -> Summary {
        let mut summary = Summary::default();
        let mut numbers = Vec::new();
        let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        for line in lines {
            summary = summary.add(&Part::Line(line.len()));
            if let Ok(number) = last_number(line) {
                summary = summary.add(&Part::Number(number));
                numbers.push(number);
            }
        }
        for window in numbers.windows(WINDOW) {
            summary = summary.add(&Part::Mean(mean(window)));
        }
        summary
    }

    fn assert_checks(text: &[u8]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("input.txt");
        fs::write(&path, text).unwrap();
        check::assert_prints(&Summary::check(Some(&path)), &summary(text).to_string());
    }

    #[test]
    fn the_check_command_gives_the_same_result() {
        let numbers: String = (1..=1000)
            .map(|n| format!("{n},{}\n", f64::from(n) / 7.0))
            .collect();
        for text in [
            &b""[..],
            b"\n",
            b"no number, and no end",
            b"-0\n",
            b"1\n2\nthree\n\n 5 ,\n",
            b"\"a\";\"1.5\"\r\n\"b\";\"x\"\r\n",
            b"caf\xe9 7\ncaf\xc3\xa9 8\n",
            b"9007199254740993\n1e300\n-1e300\n1e-300\n.1\n+.2\n3.\n1E5\n0x10\ninf\nnan\n",
            numbers.as_bytes(),
        ] {
            assert_checks(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_check_command_gives_the_same_result_for_any_text(
            lines in prop::collection::vec(
                prop_oneof![
                    2 => "[-+]?[0-9]{0,4}[.]?[0-9]{0,4}(e-?[0-9]{1,2})?",
                    1 => "[a-c0-9 ,;\"\t\r.+-]{0,12}",
                ],
                0..40,
            ),
        ) {
            assert_checks(lines.join("\n").as_bytes());
        }
    }
}
