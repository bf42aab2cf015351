//! TLS connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use thalweg::Stream;

use super::{Kind, Server, Tested, read, runtime, write};
use crate::prelude::*;
use crate::tcp::TlsFiles;
use crate::testing::tls::{Authority, TlsFront};
use crate::{Redis, RedisError};

/// A command, as a list of words.
fn command(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|len| *len > 0)?;
    let count: usize = line.trim().strip_prefix('*')?.parse().ok()?;
    let word = |_| {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let len: usize = line.trim().strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; len + 2];
        from.read_exact(&mut word).ok()?;
        word.truncate(len);
        String::from_utf8(word).ok()
    };
    (0..count).map(word).collect()
}

/// A server that accepts every command, and returns the list entries added over its first connection.
fn serve() -> std::io::Result<(u16, thread::JoinHandle<Vec<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let served = thread::spawn(move || {
        let mut to = listener.accept().expect("somebody connects").0;
        let mut from = BufReader::new(to.try_clone().expect("there are descriptors"));
        let mut added = Vec::new();
        while let Some(words) = command(&mut from) {
            let answer = match &*words[0] {
                "RPUSH" => {
                    added.extend_from_slice(&words[2..]);
                    format!(":{}\r\n", added.len())
                }
                _ => "+OK\r\n".to_string(),
            };
            to.write_all(answer.as_bytes()).expect("somebody reads");
        }
        added
    });
    Ok((port, served))
}

#[test]
fn elements_are_written_over_tls_to_a_trusted_server() -> Tested {
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let (own, own_key) = authority.certificate("client")?;
    let files = TlsFiles::new(certificate, key).clients(authority.path());
    let (port, served) = serve()?;
    let front = TlsFront::start(files.acceptor(&[])?, port)?;
    let url = format!("rediss://localhost:{}", front.port());
    let redis = Redis::new(url, "rivers").authorities(authority.path());
    let redis = redis.identity(own, own_key);
    runtime().block_on(write(Kind::List, redis, &["Main", "Elbe"]))?;
    drop(front);
    assert_eq!(served.join().expect("it serves"), ["Main", "Elbe"]);
    Ok(())
}

#[test]
fn a_rejected_certificate_ends_the_source_and_fails_the_sink_at_once() -> Tested {
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let front = |host: &str, asks: bool| {
        let (certificate, key) = authority.certificate(host)?;
        let mut files = TlsFiles::new(certificate, key);
        if asks {
            files = files.clients(authority.path());
        }
        // No connection reaches the server.
        let front = TlsFront::start(files.acceptor(&[])?, 1)?;
        Ok::<_, Box<dyn std::error::Error>>(front)
    };
    for (front, authority, problem) in [
        (front("localhost", false)?, other.path(), "UnknownIssuer"),
        (
            front("elsewhere", false)?,
            authority.path(),
            "not valid for name",
        ),
        (
            front("localhost", true)?,
            authority.path(),
            "CertificateRequired",
        ),
    ] {
        let port = front.port();
        let redis = Redis::new(format!("rediss://localhost:{port}"), "rivers");
        let redis = redis.authorities(authority).group("readers");
        let entries = Stream::from_redis_stream(redis.clone());
        let ended = runtime().block_on(async { entries.run("30s").await });
        let error = ended.expect_err("it is refused").to_string();
        let named = format!("Redis at localhost:{port}, key `rivers`: ");
        assert!(error.contains(&named), "{error}");
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("check the server's certificate"), "{error}");

        let written = runtime().block_on(write(Kind::List, redis, &["Main"]));
        let error = written.expect_err("it is not sent").to_string();
        assert!(error.contains("tried 1 times"), "{error}");
        assert!(error.contains("check the server's certificate"), "{error}");
    }
    Ok(())
}

#[test]
fn missing_files_and_disabled_verification_are_named() {
    let redis = Redis::new("rediss://localhost", "rivers").authorities("/no/file");
    let error = redis.check().expect_err("there is no such file");
    assert!(matches!(error, RedisError::Invalid { .. }));
    let error = error.to_string();
    assert!(
        error.starts_with("Redis at localhost: TLS: /no/file: "),
        "{error}"
    );
    let redis = Redis::new("rediss://localhost/#insecure", "rivers");
    let error = redis.check().expect_err("it is always on").to_string();
    assert!(
        error.contains("certificates are always verified"),
        "{error}"
    );
}

#[test]
fn a_real_server_is_read_and_written_over_tls() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let authority = Authority::new()?;
    let (certificate, key) = authority.certificate("localhost")?;
    let files = TlsFiles::new(certificate, key);
    let front = TlsFront::start(files.acceptor(&[])?, server.port())?;
    for kind in [Kind::Stream, Kind::List] {
        let key = if kind == Kind::List { "list" } else { "stream" };
        let redis = Redis::new(format!("rediss://localhost:{}", front.port()), key);
        let redis = redis.authorities(authority.path()).group("readers");
        let read = runtime().block_on(async {
            write(kind, redis.clone(), &["Main", "Elbe"]).await?;
            read(kind, redis, 2, "").await
        })?;
        assert_eq!(read, ["Main", "Elbe"]);
    }
    Ok(())
}
