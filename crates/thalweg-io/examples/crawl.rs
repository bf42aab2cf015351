//! A crawler: it visits every page of a site once, with one request at a time per host and a pause in between, and
//! skips what the site's `robots.txt` disallows.
//!
//! This program also serves the site, whose pages link to each other in cycles.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use thalweg::{Ack, BoxError, OnError, Stream};
use thalweg_io::{Fetch, HttpResponse, prelude::*};

/// The links of each page.
const LINKS: [(&str, &str); 6] = [
    ("/", "/spring /mouth /nowhere /private"),
    ("/spring", "/brook /"),
    ("/brook", "/river /spring"),
    ("/river", "/mouth /brook"),
    ("/mouth", "/"),
    ("/private", "/"),
];

/// Responds to one request.
fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(&client).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let page = LINKS.iter().find(|(page, _)| *page == path);
    let (status, body) = match (path, page) {
        ("/robots.txt", _) => ("200 OK", "User-agent: *\nDisallow: /private"),
        (_, Some((_, links))) => ("200 OK", *links),
        (_, None) => ("404 Not Found", ""),
    };
    let len = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
    )
}

/// The links of a page.
fn links(page: &HttpResponse, site: &str) -> Vec<String> {
    let text = page.text();
    text.split_whitespace()
        .map(|path| format!("{site}{path}"))
        .collect()
}

/// Status and path of all pages of a site.
fn crawl(site: &str, pause: Duration) -> Result<BTreeSet<(u16, String)>, BoxError> {
    let urls: Stream<String> = Stream::new();
    let polite = Fetch::new().per_host(1).interval(pause).robots();
    let pages = urls.unique().fetch(polite).on_error(OnError::Skip);
    let base = site.to_owned();
    let found = pages.map(move |page| links(&page, &base)).flatten();
    found.connect(&urls)?;
    let seen = pages.sink_to_list();
    // A drain would cut the cycle. This fires when everything derived from the first URL is done.
    let (all_done, is_all_done) = channel();
    let ack = Ack::new(move |_| {
        let _ = all_done.send(());
    });
    urls.emit_with(format!("{site}/"), ack).wait()?;
    is_all_done.recv_timeout(Duration::from_secs(60))?;
    urls.drain("10s").wait()?;
    let seen = seen.to_vec().into_iter();
    Ok(seen
        .map(|page| (page.status, page.url[site.len()..].to_owned()))
        .collect())
}

/// Serves the site, and crawls it.
pub(crate) fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let site = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // The client may have disconnected.
            let _ = serve(client);
        }
    });
    let seen = crawl(&site, Duration::from_millis(10))?;
    for (status, path) in &seen {
        println!("{status} {path}");
    }
    let expected = [
        (200, "/"),
        (200, "/brook"),
        (200, "/mouth"),
        (200, "/river"),
        (200, "/spring"),
        (404, "/nowhere"),
    ];
    let expected = expected.map(|(status, path)| (status, path.to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
    Ok(())
}
