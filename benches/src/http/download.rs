//! A large file, in parallel ranges to the disk, beside curl.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use thalweg::Stream;
use thalweg_io::{Remote, RemoteFile, prelude::*};
use tokio::net::TcpListener;

use super::{LIMIT, runtime, start_with};
use crate::measure::Pair;
use crate::report::{Line, speed};

const GIBIBYTE: usize = 1 << 30;

/// Serves a file of zeros, with ranges, until it is killed; prints its port.
pub(crate) fn serve(len: usize) {
    let file = Bytes::from(vec![0_u8; len]);
    runtime().block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("there is a port");
        println!("{}", listener.local_addr().expect("it has one").port());
        let whole_or_range = move |headers: HeaderMap| std::future::ready(part(&file, &headers));
        let router = Router::new().route("/file", get(whole_or_range));
        axum::serve(listener, router).await.expect("it goes on");
    });
}

/// The file, or the range of it that is asked for.
fn part(file: &Bytes, headers: &HeaderMap) -> Response {
    let range = headers.get(header::RANGE).and_then(|range| {
        let (begin, end) = range
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let begin: usize = begin.parse().ok()?;
        let end = end.parse().unwrap_or(file.len() - 1).min(file.len() - 1);
        (begin <= end).then_some((begin, end))
    });
    let accepts = [(header::ACCEPT_RANGES, "bytes")];
    match range {
        None => (accepts, file.clone()).into_response(),
        Some((begin, end)) => {
            let within = format!("bytes {begin}-{end}/{}", file.len());
            let status = StatusCode::PARTIAL_CONTENT;
            let headers = [(header::CONTENT_RANGE, within)];
            (status, accepts, headers, file.slice(begin..=end)).into_response()
        }
    }
}

/// Ends a process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures a file of a gibibyte, or a sixteenth of one.
pub(super) fn line(quick: bool) -> Option<Line> {
    let is_there = |program| {
        let mut command = Command::new(program);
        let asked = command.arg("--version").stdout(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    if !is_there("curl") || !is_there("sync") {
        eprintln!("compare: no download, since there are no curl and sync");
        return None;
    }
    let (len, rounds) = if quick {
        (GIBIBYTE / 16, 3)
    } else {
        (GIBIBYTE, 5)
    };
    let (server, port) = start_with(&["--serve".to_owned(), len.to_string()]);
    let _server = Ended(server);
    let url = format!("http://127.0.0.1:{port}/file");
    let folder = std::env::current_dir()
        .expect("there is one")
        .join("target");
    let path = folder.join(format!("download-{}", std::process::id()));
    let pair = Pair::measure(
        rounds,
        || ours(&url, &path, len),
        || by_curl(&url, &path, len),
    );
    std::fs::remove_file(&path).expect("it was written");
    Some(speed(
        "1 GiB by HTTP in parallel ranges, to a file, per KiB",
        "`curl`, then `sync`",
        (0.9, "0.9 of its speed"),
        &pair,
    ))
}

fn per_kibibyte(begin: Instant, len: usize) -> f64 {
    begin.elapsed().as_nanos() as f64 / (len / 1024) as f64
}

fn ours(url: &str, path: &Path, len: usize) -> f64 {
    let runtime = runtime();
    let begin = Instant::now();
    runtime.block_on(async {
        let files = Stream::new();
        let saved = files
            .read_url(Remote::new().max_file_len(len as u64))
            .sink_to_list();
        let file = RemoteFile::new(url).save_as(path);
        files.emit(file).await.expect("it is read");
        files.drain(LIMIT).await.expect("it is read");
        assert_eq!(saved.len(), 1);
    });
    let time = per_kibibyte(begin, len);
    check(path, len);
    time
}

/// As ours does, it comes back when the file is on the disk.
fn by_curl(url: &str, path: &Path, len: usize) -> f64 {
    let begin = Instant::now();
    let run = |command: &mut Command| {
        let status = command.status().expect("the system starts processes");
        assert!(status.success(), "{command:?} has failed");
    };
    run(Command::new("curl")
        .args(["--silent", "--fail", "--output"])
        .arg(path)
        .arg(url));
    run(Command::new("sync").arg("--data").arg(path));
    let time = per_kibibyte(begin, len);
    check(path, len);
    time
}

fn check(path: &Path, len: usize) {
    let written = std::fs::metadata(path).expect("it was written");
    assert_eq!(written.len(), len as u64);
}
