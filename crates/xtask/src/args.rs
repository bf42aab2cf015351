//! The command line.

use crate::commands::{bench, demo, docs, fuzz, services, soak, stubs, test, wheels};
use lexopt::{Arg, ValueExt};
use std::ffi::OsString;

const HELP: &str = "\
The project's commands.

Usage: cargo xtask <COMMAND>

Commands:
  test   Run all tests and lints
  demo   Build and run the demo, in Rust or with `--python`; passes further arguments on
  bench  Run the benchmarks, in Rust, with `--python`, or of `--tasks`; passes further arguments on
  docs   Build the documentation and say where it is
  fuzz   Run all parsers of external data on random bytes
  services  Start real servers for tests, or stop them
  soak   Kill pipelines again and again, and look for losses
  stubs  Generate files from the declarations of operators
  wheels Build the wheels of a release, also for other machines
  help   Explain a command: `cargo xtask help test`

Only cargo is needed. Steps that need more are skipped and named if it is missing.
";

/// Language of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    Rust,
    Python,
}

/// A parsed command line.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Help(&'static str),
    ListSteps,
    Test(test::Plan),
    Demo {
        language: Language,
        args: Vec<OsString>,
    },
    Bench {
        language: Language,
        args: Vec<OsString>,
    },
    Docs {
        open: bool,
    },
    Fuzz(fuzz::Plan),
    Services(services::Order),
    Soak(soak::Plan),
    Stubs,
    Wheels(wheels::Order),
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let command = match parser.next()? {
        None => return Ok(Request::Help(HELP)),
        Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Request::Help(HELP)),
        Some(Arg::Value(command)) => command.string()?,
        Some(other) => return Err(other.unexpected()),
    };
    match command.as_str() {
        "test" => parse_test(parser),
        // The demo and the benchmarks parse their own options, including `--help`.
        "demo" => rest(parser).map(|(language, args)| Request::Demo { language, args }),
        "bench" => rest(parser).map(|(language, args)| Request::Bench { language, args }),
        "docs" => parse_docs(parser),
        "fuzz" => parse_fuzz(parser),
        "services" => parse_services(parser),
        "soak" => parse_soak(parser),
        "stubs" => parse_stubs(parser),
        "wheels" => parse_wheels(parser),
        "help" => parse_help(parser),
        unknown => Err(format!(
            "there is no command `{unknown}`; the commands are test, demo, bench, docs, fuzz, services, soak, stubs, wheels and help"
        )
        .into()),
    }
}

fn parse_test(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let mut only = Vec::new();
    let (mut list, mut quick, mut pythons, mut with_servers) = (false, false, false, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(test::HELP)),
            Arg::Long("list") => list = true,
            Arg::Long("servers") => with_servers = true,
            Arg::Long("quick") => quick = true,
            Arg::Long("pythons") => pythons = true,
            Arg::Value(step) => only.push(known_step(step.string()?)?),
            other => return Err(other.unexpected()),
        }
    }
    if usize::from(quick) + usize::from(pythons) + usize::from(!only.is_empty()) > 1 {
        return Err("either --quick or --pythons or the names of steps".into());
    }
    if list {
        return Ok(Request::ListSteps);
    }
    let choice = match quick {
        true => test::Choice::Quick,
        false if pythons => test::Choice::Pythons,
        false if only.is_empty() => test::Choice::All,
        false => test::Choice::Named(only),
    };
    Ok(Request::Test(test::Plan {
        choice,
        with_servers,
    }))
}

fn known_step(name: String) -> Result<String, lexopt::Error> {
    if test::STEPS.iter().any(|step| step.name == name) {
        return Ok(name);
    }
    let names: Vec<&str> = test::STEPS.iter().map(|step| step.name).collect();
    Err(format!(
        "there is no step `{name}`; the steps are {}",
        names.join(", ")
    )
    .into())
}

fn parse_docs(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let mut open = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(docs::HELP)),
            Arg::Long("open") => open = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Docs { open })
}

fn parse_fuzz(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let mut plan = fuzz::Plan {
        target: None,
        seconds: 60,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(fuzz::HELP)),
            Arg::Long("seconds") => plan.seconds = parser.value()?.parse()?,
            Arg::Value(target) if plan.target.is_none() => plan.target = Some(target.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Fuzz(plan))
}

fn parse_services(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let (mut order, mut port) = (None, services::PORT);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(services::HELP)),
            Arg::Long("port") => port = parser.value()?.parse()?,
            Arg::Value(word) if order.is_none() => order = Some(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    match order.as_deref() {
        // The next port is used as well.
        Some("up") if port < u16::MAX => Ok(Request::Services(services::Order::Up { port })),
        Some("up") => Err("--port is a number up to 65534".into()),
        Some("down") => Ok(Request::Services(services::Order::Down)),
        _ => Err("servers are brought `up` or `down`".into()),
    }
}

fn parse_soak(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let mut plan = soak::Plan {
        systems: Vec::new(),
        kills: 500,
        seed: 1,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(soak::HELP)),
            Arg::Long("kills") => plan.kills = parser.value()?.parse()?,
            Arg::Long("seed") => plan.seed = parser.value()?.parse()?,
            Arg::Value(system) => {
                let system = system.string()?;
                if !soak::known(&system) {
                    return Err(format!("there is no system `{system}` to soak").into());
                }
                plan.systems.push(system);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Soak(plan))
}

fn parse_stubs(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    match parser.next()? {
        None => Ok(Request::Stubs),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Request::Help(stubs::HELP)),
        Some(other) => Err(other.unexpected()),
    }
}

fn parse_wheels(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let (mut targets, mut check) = (Vec::new(), false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help(wheels::HELP)),
            Arg::Long("check") => check = true,
            Arg::Value(target) => targets.push(known_target(target.string()?)?),
            other => return Err(other.unexpected()),
        }
    }
    match (check, targets.is_empty()) {
        (true, false) => Err("either --check or the names of targets".into()),
        (true, true) => Ok(Request::Wheels(wheels::Order::Check)),
        (false, _) => Ok(Request::Wheels(wheels::Order::Build(targets))),
    }
}

fn known_target(name: String) -> Result<String, lexopt::Error> {
    if wheels::is_known(&name) {
        return Ok(name);
    }
    let known = wheels::known();
    Err(format!("there is no wheel for `{name}`, but for {known}").into())
}

fn parse_help(mut parser: lexopt::Parser) -> Result<Request, lexopt::Error> {
    let Some(arg) = parser.next()? else {
        return Ok(Request::Help(HELP));
    };
    let Arg::Value(command) = arg else {
        return Err(arg.unexpected());
    };
    let text = match command.string()?.as_str() {
        "test" => test::HELP,
        "demo" => demo::HELP,
        "bench" => bench::HELP,
        "docs" => docs::HELP,
        "fuzz" => fuzz::HELP,
        "services" => services::HELP,
        "soak" => soak::HELP,
        "stubs" => stubs::HELP,
        "wheels" => wheels::HELP,
        "help" => HELP,
        unknown => return Err(format!("there is no command `{unknown}` to explain").into()),
    };
    match parser.next()? {
        Some(extra) => Err(extra.unexpected()),
        None => Ok(Request::Help(text)),
    }
}

/// The remaining arguments, without an optional `--` in front; `--python` before them chooses the language.
fn rest(mut parser: lexopt::Parser) -> Result<(Language, Vec<OsString>), lexopt::Error> {
    let mut args: Vec<OsString> = parser.raw_args()?.collect();
    let mut language = Language::Rust;
    if args.first().is_some_and(|first| first == "--python") {
        language = Language::Python;
        args.remove(0);
    }
    if args.first().is_some_and(|first| first == "--") {
        args.remove(0);
    }
    Ok((language, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Request, String> {
        parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn every_command_has_help() {
        for line in ["", "-h", "--help", "help", "help help"] {
            assert_eq!(parse_line(line), Ok(Request::Help(HELP)), "{line}");
        }
        assert_eq!(parse_line("test --help"), Ok(Request::Help(test::HELP)));
        assert_eq!(parse_line("help bench"), Ok(Request::Help(bench::HELP)));
    }

    #[test]
    fn steps_can_be_chosen_and_listed() {
        let test = |choice| {
            Ok(Request::Test(test::Plan {
                choice,
                with_servers: false,
            }))
        };
        assert_eq!(parse_line("test"), test(test::Choice::All));
        let quick = test(test::Choice::Quick);
        assert_eq!(parse_line("test --quick"), quick);
        let pythons = test(test::Choice::Pythons);
        assert_eq!(parse_line("test --pythons"), pythons);
        let named = test::Choice::Named(vec!["fmt".into(), "unit".into()]);
        assert_eq!(parse_line("test fmt unit"), test(named));
        let with_servers = test::Plan {
            choice: test::Choice::All,
            with_servers: true,
        };
        assert_eq!(
            parse_line("test --servers"),
            Ok(Request::Test(with_servers))
        );
        assert_eq!(parse_line("test --list"), Ok(Request::ListSteps));
    }

    #[test]
    fn the_demo_gets_its_arguments_unchanged() {
        let demo = |language, args: &[&str]| {
            Ok(Request::Demo {
                language,
                args: args.iter().map(OsString::from).collect(),
            })
        };
        let input = demo(Language::Rust, &["--input", "-"]);
        assert_eq!(parse_line("demo --input -"), input);
        assert_eq!(parse_line("demo -- --input -"), input);
        let input = demo(Language::Python, &["--input", "-"]);
        assert_eq!(parse_line("demo --python --input -"), input);
        assert_eq!(parse_line("demo --python -- --input -"), input);
        assert_eq!(
            parse_line("demo -- --python"),
            demo(Language::Rust, &["--python"])
        );
        assert_eq!(
            parse_line("bench --help"),
            Ok(Request::Bench {
                language: Language::Rust,
                args: vec!["--help".into()]
            })
        );
    }

    #[test]
    fn services_go_up_and_down() {
        let up = |port| Ok(Request::Services(services::Order::Up { port }));
        assert_eq!(parse_line("services up"), up(services::PORT));
        assert_eq!(parse_line("services up --port 5"), up(5));
        let down = Ok(Request::Services(services::Order::Down));
        assert_eq!(parse_line("services down"), down);
    }

    #[test]
    fn wheels_are_built_for_all_or_some_targets() {
        let build = |targets: &[&str]| {
            let targets = targets.iter().map(ToString::to_string).collect();
            Ok(Request::Wheels(wheels::Order::Build(targets)))
        };
        assert_eq!(parse_line("wheels"), build(&[]));
        let target = "aarch64-unknown-linux-musl";
        assert_eq!(parse_line(&format!("wheels {target}")), build(&[target]));
        let check = Ok(Request::Wheels(wheels::Order::Check));
        assert_eq!(parse_line("wheels --check"), check);
    }

    #[test]
    fn errors_are_named() {
        for (line, expected) in [
            ("tset", "there is no command `tset`; the commands are"),
            (
                "test ftm",
                "there is no step `ftm`; the steps are servers, fmt, clippy",
            ),
            ("test --fast", "--fast"),
            ("test --quick fmt", "either --quick or"),
            ("test --quick --pythons", "either --quick or"),
            ("docs now", "now"),
            ("--version", "--version"),
            ("services", "`up` or `down`"),
            ("services up --port 65535", "up to 65534"),
            ("wheels z80", "there is no wheel for `z80`, but for x86_64"),
            (
                "wheels --check x86_64-unknown-linux-gnu",
                "either --check or",
            ),
            ("help me", "there is no command `me`"),
            ("help docs now", "now"),
        ] {
            let error = parse_line(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
