//! Pipelines on live input: this machine's own counters, a file as it grows, standard input, or a feed on the web.
//!
//! They branch, join, look through windows, keep to a rate, set aside what fails, and end in good order.
//! What they print at the end comes with a command that finds the same with another tool.

mod args;
mod check;
#[cfg(all(feature = "sse", feature = "sqlite"))]
mod feed;
#[cfg(all(feature = "sse", feature = "sqlite"))]
mod local_feed;
mod machine;
mod progress;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::{Input, Options, Request};
use machine::{Machine, Second, Total};
use progress::Screen;
use text::{Part, Summary};
use thalweg::{Element, Failure, Stream, ops::union};
use thalweg_io::{Lines, Reader, Stdin, TextFile, TextFileSink, prelude::*};
use tokio::sync::watch;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ExitCode::from(demo(std::env::args_os().skip(1)).await)
}

/// Returns the exit code.
async fn demo(args: impl IntoIterator<Item = OsString>) -> u8 {
    let outcome = match args::parse(args) {
        Ok(Request::Help) => {
            print!("{}", args::USAGE);
            return 0;
        }
        Ok(Request::Run(options)) => match &options.input {
            None => watch_machine(&options).await,
            Some(Input::Feed(feed)) => follow(feed, &options).await,
            Some(input) => read_lines(input, &options).await,
        },
        Err(error) => {
            eprintln!("demo: {error}\n\n{}", args::USAGE);
            return 2;
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("demo: {error}");
            1
        }
    }
}

#[cfg(all(feature = "sse", feature = "sqlite"))]
use feed::follow;

#[cfg(not(all(feature = "sse", feature = "sqlite")))]
async fn follow(_: &args::Feed, _: &Options) -> Outcome {
    Err("feeds need the features `sse` and `sqlite`; `cargo xtask demo` has them".into())
}

/// How busy this machine is, second by second.
async fn watch_machine(options: &Options) -> Outcome {
    let screen = Screen::on_stdout();
    let mut machine = Machine::new(Path::new("/proc"))?;
    let begin = Instant::now();

    // Ten readings a second. One in 25 is damaged: it fails, and is set aside.
    let readings = Stream::from_periodic("100ms", move || begin.elapsed())
        .try_map(move |at| machine.read(*at))
        .named("readings");
    set_aside(&readings.errors(), &screen);

    // One branch goes to a file; up to a hundred lines may wait for the disk.
    let record = std::env::temp_dir().join(format!("thalweg-demo-{}.csv", std::process::id()));
    let lines = readings.map(|counters| counters.record()).named("record");
    lines
        .buffer(100)
        .sink_to_textfile_with(TextFileSink::truncate(&record)?);

    // Two look at the last second, and join again.
    let windows = readings.sliding_window_full(machine::WINDOW);
    let load = windows.map(machine::load);
    let traffic = windows.map(machine::traffic);
    let seconds = load.zip(&traffic).map(Second::new).named("seconds");
    show(&seconds, &screen);

    let total = newest(&readings.scan(Total::default(), Total::add).named("total"));
    let peak = newest(&seconds.scan(Second::default(), Second::peak).named("peak"));

    let time = options.time.unwrap_or(Duration::from_secs(10));
    run(&readings, Some(time)).await?;

    let (total, peak) = (*total.borrow(), *peak.borrow());
    let summary = machine::Summary { total, peak };
    report(
        &summary,
        &machine::Summary::check(&record),
        &readings,
        options,
        &screen,
    )
}

/// The sizes of lines, and the numbers in their last fields.
async fn read_lines(input: &Input, options: &Options) -> Outcome {
    let screen = Screen::on_stdout();
    let source = open(input, options.time.is_some())?;

    // Reading goes on while up to a hundred lines wait.
    let lines = source.buffer(100);

    // Lines whose last field is no number are set aside; the first few are shown.
    let numbers = lines
        .try_map(|line| text::last_number(line))
        .named("numbers");
    set_aside(
        &union([&source.errors(), &numbers.errors()]).take(3),
        &screen,
    );

    // Three branches, one of them through a window, join again.
    let sizes = lines.map(|line| Part::Line(line.len())).named("sizes");
    let windows = numbers.sliding_window_full(text::WINDOW);
    let means = windows
        .map(|window| Part::Mean(text::mean(&window)))
        .named("means");
    let parts = union([&sizes, &numbers.map(Part::Number), &means]);
    let summary = parts
        .scan(Summary::default(), Summary::add)
        .named("summary");
    show(&summary.map(|summary| summary.in_short()), &screen);

    let result = newest(&summary);

    run(&source, options.time).await?;

    let check = match input {
        Input::Path(path) if path.is_file() => Summary::check(Some(path)),
        _ => format!("your input | {}", Summary::check(None)),
    };
    let summary = *result.borrow();
    report(&summary, &check, &source, options, &screen)
}

/// Lines of a file or of standard input. A file is followed as it grows, or read to its end.
fn open(input: &Input, follow: bool) -> Result<Stream<Vec<u8>>, Box<dyn Error>> {
    let lines = Lines::bytes().delimiter("\n");
    Ok(match input {
        Input::Feed(_) => return Err("a feed has no lines".into()),
        Input::Stdin => Stream::from_source(Stdin::new().lines(lines)),
        Input::Path(path) if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) => {
            Stream::from_reader(Reader::new(File::open(path)?).lines(lines))
        }
        Input::Path(path) if follow => Stream::from_textfile(TextFile::new(path).lines(lines)),
        Input::Path(path) => Stream::from_textfile(TextFile::new(path).lines(lines).until_end()),
    })
}

/// Prints what failed.
fn set_aside(failures: &Stream<Failure>, screen: &Screen) {
    let screen = screen.clone();
    let print = move |failure: &Failure| screen.print(&format!("set aside: {failure}"));
    failures.try_sink(print).named("set aside");
}

/// Shows the newest element, no more often than the screen can; those in between are left out.
fn show<T: Element + Display>(stream: &Stream<T>, screen: &Screen) {
    let (rated, screen) = (stream.latest().rate_limit(screen.pause()), screen.clone());
    rated
        .try_sink(move |x| screen.status(&x.to_string()))
        .named("screen");
}

/// Where the newest element can be found.
fn newest<T: Element + Default + Sync>(stream: &Stream<T>) -> watch::Receiver<T> {
    let (sender, newest) = watch::channel(T::default());
    stream
        .sink(move |x| drop(sender.send_replace(x)))
        .named("newest");
    newest
}

/// Runs a pipeline until its source ends, the time is up, or Ctrl-C; what is on its way then still arrives.
async fn run<T: Element>(stream: &Stream<T>, time: Option<Duration>) -> Result<(), thalweg::Error> {
    let time_is_up = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = stream.run("10s") => return ended,
        () = time_is_up => {}
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
    stream.drain("10s").await
}

/// Prints what came of it, how to check that, and what has passed through each node.
fn report<T: Element>(
    result: &impl Display,
    check: &str,
    stream: &Stream<T>,
    options: &Options,
    screen: &Screen,
) -> Outcome {
    let graph = stream.graph_view();
    screen.clear();
    screen.print(&format!(
        "{result}\nTo check it:\n  {check}\n\n{}",
        table::of(&graph)
    ))?;
    if let Some(svg) = &options.svg {
        fs::write(svg, graph.to_svg())
            .map_err(|error| format!("cannot write {}: {error}", svg.display()))?;
    }
    Ok(())
}
