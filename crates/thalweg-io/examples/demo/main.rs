//! A pipeline on live input: this machine's own counters, a file, or standard input.

mod args;
mod check;
mod machine;
mod progress;
mod text;

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use args::{Input, Options, Request};
use machine::{Machine, Second};
use progress::Progress;
use thalweg_io::{Lines, Reader, Stdin, TextFile, TextFileSink, textfile::Poll};

fn main() -> ExitCode {
    let request = match args::parse(std::env::args_os().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("demo: {error}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match request {
        Request::Help => {
            print!("{}", args::USAGE);
            Ok(())
        }
        Request::Run(Options { input: None, time }) => {
            sample(time.unwrap_or(Duration::from_secs(10)))
        }
        Request::Run(Options {
            input: Some(input),
            time,
        }) => read(&input, time),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sample(time: Duration) -> Result<(), Box<dyn Error>> {
    let machine = Machine::new(Path::new("/proc"))?;
    let record = std::env::temp_dir().join(format!("thalweg-demo-{}.csv", std::process::id()));
    let mut sink = TextFileSink::truncate(&record)?;
    let mut progress = Progress::on_stdout();
    let mut summary = machine::Summary::default();
    let mut window = VecDeque::new();
    let mut set_aside = 0;
    let begin = Instant::now();
    for tick in 0.. {
        let at = begin.elapsed();
        if at > time {
            break;
        }
        let sample = machine.sample(at)?;
        let sample = if tick % 25 == 13 {
            sample.damaged()
        } else {
            sample
        };
        match sample.parse() {
            Ok(counters) => {
                sink.write(counters.record())?;
                summary.add(counters);
                window.push_back(counters);
            }
            Err(_) => set_aside += 1,
        }
        if window.len() == machine::WINDOW {
            let (first, last) = (window[0], window[machine::WINDOW - 1]);
            let (received, sent) = last.rates_since(&first);
            let load = last.load_since(&first);
            summary.peak = summary.peak.peak(Second {
                load,
                received,
                sent,
            });
            window.pop_front();
            if progress.is_live() || tick % 10 == 0 {
                progress.status(&format!(
                    "{:4.1} s  processor {} {load:5.1} %  in {}/s  out {}/s  set aside {set_aside}",
                    at.as_secs_f64(),
                    progress::bar(load),
                    progress::bytes(received),
                    progress::bytes(sent),
                ))?;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    sink.close()?;
    progress.print(&format!("{summary}"))?;
    progress.print(&format!(
        "To check it:\n  {}",
        machine::Summary::check(&record)
    ))?;
    Ok(())
}

type Next = Box<dyn FnMut() -> Result<Option<Vec<u8>>, Box<dyn Error>>>;

fn read(input: &Input, time: Option<Duration>) -> Result<(), Box<dyn Error>> {
    let lines = Lines::bytes().delimiter("\n");
    let mut next: Next = match input {
        Input::Stdin => {
            let mut stdin = Stdin::new().lines(lines);
            Box::new(move || Ok(pollster::block_on(stdin.next_line())?))
        }
        Input::Path(path) if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) => {
            let mut reader = Reader::new(File::open(path)?).lines(lines);
            Box::new(move || Ok(pollster::block_on(reader.next_line())?))
        }
        Input::Path(path) => {
            let mut file = TextFile::new(path).until_end().lines(lines);
            Box::new(move || match file.poll()? {
                Poll::Line(line) => Ok(Some(line)),
                Poll::Idle | Poll::End => Ok(None),
            })
        }
    };
    let _ = time;
    let mut progress = Progress::on_stdout();
    let mut summary = text::Summary::default();
    let mut window: VecDeque<f64> = VecDeque::new();
    while let Some(line) = next()? {
        summary.sizes.add(line.len());
        if let Ok(number) = text::last_number(&line) {
            summary.numbers.add(number);
            window.push_back(number);
            if window.len() == text::WINDOW {
                summary.add_mean(text::mean(window.make_contiguous()));
                window.pop_front();
            }
        }
    }
    progress.print(&format!("{summary}"))?;
    let check = match input {
        Input::Path(path) if path.is_file() => text::Summary::check(Some(path)),
        _ => format!("your input | {}", text::Summary::check(None)),
    };
    progress.print(&format!("To check it:\n  {check}"))?;
    Ok(())
}
