//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;

pub(crate) const USAGE: &str = "\
Runs a pipeline on live input and sums up what came through it.

Usage: demo [--input PATH|- | --url URL|local] [--seconds N] [--svg PATH]

Without --input and --url it samples this machine's processor and network counters, for ten seconds.
Ctrl-C ends it early; the result is printed all the same.

  --input PATH   read the lines of this file, or of standard input if PATH is `-`:
                 each line's size, and the number in its last field if there is one
  --url URL      follow a feed of server-sent events whose data are JSON with a field `wiki`, such as
                 https://stream.wikimedia.org/v2/stream/recentchange: edits per second by wiki, in
                 windows of ten seconds, which go to SQLite; `local` is a feed of this machine's events
  --seconds N    end after N seconds; a file is then followed as it grows,
                 where otherwise it is read to its end
  --svg PATH     draw the pipeline into this file, as it is at the end
  --help         print this
";

/// The demo's command.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Help,
    Run(Options),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// `None`: this machine's counters.
    pub input: Option<Input>,
    pub time: Option<Duration>,
    /// Where to draw the pipeline.
    pub svg: Option<PathBuf>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Input {
    Stdin,
    Path(PathBuf),
    Feed(Feed),
}

/// A feed of server-sent events.
#[derive(Debug, PartialEq)]
pub(crate) enum Feed {
    Url(String),
    /// This machine's events.
    Local,
}

/// A wrong command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("{0}")]
    Usage(#[from] lexopt::Error),
    #[error("unexpected argument `{0}`: did you mean `--input {0}`?")]
    Unexpected(String),
    #[error("--input needs the path of a file, or `-` for standard input")]
    NoPath,
    #[error("--url needs the URL of a feed, or `local`")]
    NoUrl,
    #[error("--input and --url exclude each other")]
    Both,
    #[error("--seconds needs a number above zero, not `{0}`")]
    Seconds(String),
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, ArgsError> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut options = Options {
        input: None,
        time: None,
        svg: None,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            Arg::Long("input") | Arg::Short('i') => {
                let path = parser.value()?;
                if options.input.is_some() {
                    return Err(ArgsError::Both);
                }
                options.input = Some(match path.to_str() {
                    Some("") => return Err(ArgsError::NoPath),
                    Some("-") => Input::Stdin,
                    _ => Input::Path(path.into()),
                });
            }
            Arg::Long("url") => {
                let url = parser.value()?;
                if options.input.is_some() {
                    return Err(ArgsError::Both);
                }
                options.input = Some(Input::Feed(match url.to_str() {
                    None | Some("") => return Err(ArgsError::NoUrl),
                    Some("local") => Feed::Local,
                    Some(url) => Feed::Url(url.to_owned()),
                }));
            }
            Arg::Long("seconds") | Arg::Short('s') => {
                options.time = Some(seconds(&parser.value()?.to_string_lossy())?);
            }
            Arg::Long("svg") => options.svg = Some(parser.value()?.into()),
            Arg::Value(value) => {
                return Err(ArgsError::Unexpected(value.to_string_lossy().into_owned()));
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(Request::Run(options))
}

fn seconds(text: &str) -> Result<Duration, ArgsError> {
    let number = text.parse::<f64>().ok().filter(|&number| number > 0.0);
    number
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| ArgsError::Seconds(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_accepted_in_any_form() {
        let request = |input, seconds: Option<f64>| {
            Ok(Request::Run(Options {
                input,
                time: seconds.map(Duration::from_secs_f64),
                svg: None,
            }))
        };
        let path = || Some(Input::Path("a.csv".into()));
        assert_eq!(parsed(""), request(None, None));
        assert_eq!(parsed("--seconds 2.5"), request(None, Some(2.5)));
        assert_eq!(parsed("--input -"), request(Some(Input::Stdin), None));
        assert_eq!(parsed("--input=a.csv -s3"), request(path(), Some(3.0)));
        assert_eq!(parsed("--seconds=1 -i a.csv"), request(path(), Some(1.0)));
        let svg = Options {
            input: None,
            time: None,
            svg: Some("a.svg".into()),
        };
        assert_eq!(parsed("--svg a.svg"), Ok(Request::Run(svg)));
        let local = || Some(Input::Feed(Feed::Local));
        assert_eq!(parsed("--url local -s 1"), request(local(), Some(1.0)));
        let url = || Some(Input::Feed(Feed::Url("http://x/".into())));
        assert_eq!(parsed("--url http://x/"), request(url(), None));
        assert_eq!(parsed("--input a.csv --help"), Ok(Request::Help));
    }

    #[test]
    fn errors_are_explained() {
        let error = |line: &str| parsed(line).expect_err("the line is wrong");
        for wrong in ["0", "-3", "soon", "nan", "inf", "1e99", "1e-99"] {
            assert_eq!(
                error(&format!("--seconds {wrong}")),
                format!("--seconds needs a number above zero, not `{wrong}`")
            );
        }
        assert_eq!(error("--input="), ArgsError::NoPath.to_string());
        assert_eq!(error("--url="), ArgsError::NoUrl.to_string());
        for both in ["--input a --url local", "--url local --input a"] {
            assert_eq!(error(both), ArgsError::Both.to_string());
        }
        assert_eq!(error("--input"), "missing argument for option '--input'");
        assert_eq!(error("--file x"), "invalid option '--file'");
        assert_eq!(
            error("a.csv"),
            "unexpected argument `a.csv`: did you mean `--input a.csv`?"
        );
    }
}
