//! A mock FTP server, configured by tests.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use std::collections::BTreeMap;
use std::io::Read;

use super::*;

/// Files and faults of a server.
#[derive(Default)]
struct Ftp {
    files: BTreeMap<String, Vec<u8>>,
    commands: Vec<String>,
    /// Bytes of a transfer after which its connection is cut.
    cut_after: Option<usize>,
    is_full: bool,
    has_no_extended: bool,
}

type Shared = Arc<Mutex<Ftp>>;

fn start(files: &[(&str, &[u8])]) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shared = Shared::default();
    for (name, content) in files {
        let files = &mut shared.lock().unwrap().files;
        files.insert((*name).to_owned(), content.to_vec());
    }
    let serving = shared.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let shared = serving.clone();
            thread::spawn(move || serve(client, &shared));
        }
    });
    (address, shared)
}

/// Serves until the client disconnects.
fn serve(mut client: TcpStream, shared: &Shared) -> Option<()> {
    let mut commands = BufReader::new(client.try_clone().ok()?);
    let (mut offset, mut from, mut data) = (0, String::new(), None);
    let mut say = |text: &str| client.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220-Welcome\r\n220 Ready")?;
    loop {
        let mut line = String::new();
        if commands.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let (command, what) = line.split_once(' ').unwrap_or((line, ""));
        let mut ftp = shared.lock().unwrap();
        ftp.commands.push(line.to_owned());
        match command {
            "USER" => say("331 Password?")?,
            "PASS" if what == "wrong" => say("530 Login incorrect.")?,
            "PASS" | "TYPE" | "OPTS" => say("230 Fine")?,
            "EPSV" if ftp.has_no_extended => say("500 What?")?,
            "EPSV" | "PASV" => {
                let listener = TcpListener::bind("127.0.0.1:0").ok()?;
                let port = listener.local_addr().ok()?.port();
                data = Some(listener);
                match command {
                    "EPSV" => say(&format!("229 Here (|||{port}|)"))?,
                    // An address in another network, which clients must not connect to.
                    _ => say(&format!(
                        "227 Here (10,0,0,1,{},{})",
                        port / 256,
                        port % 256
                    ))?,
                }
            }
            "SIZE" | "MDTM" | "RETR" if !ftp.files.contains_key(what) => say("550 No such file")?,
            "SIZE" => say(&format!("213 {}", ftp.files[what].len()))?,
            "MDTM" => say("213 20260327090000")?,
            "REST" => {
                offset = what.parse().ok()?;
                say("350 Fine")?;
            }
            "RETR" => {
                say("150 Here it comes")?;
                let content = ftp.files[what].clone();
                let cut = ftp.cut_after;
                drop(ftp);
                let mut out = data.take()?.accept().ok()?.0;
                let rest = &content[offset..];
                let sent = rest.len().min(cut.unwrap_or(usize::MAX));
                let _ = out.write_all(&rest[..sent]);
                drop(out);
                offset = 0;
                match sent == rest.len() {
                    true => say("226 Done")?,
                    false => say("426 Cut")?,
                }
            }
            "STOR" => {
                say("150 Send it")?;
                let is_full = ftp.is_full;
                drop(ftp);
                let mut content = Vec::new();
                data.take()?
                    .accept()
                    .ok()?
                    .0
                    .read_to_end(&mut content)
                    .ok()?;
                match is_full {
                    true => say("452 No space left on the disk")?,
                    false => {
                        let files = &mut shared.lock().unwrap().files;
                        files.insert(what.to_owned(), content);
                        say("226 Done")?;
                    }
                }
            }
            "RNFR" => {
                what.clone_into(&mut from);
                say("350 Where to?")?;
            }
            "RNTO" => {
                let content = ftp.files.remove(&from)?;
                ftp.files.insert(what.to_owned(), content);
                say("250 Done")?;
            }
            "DELE" => {
                ftp.files.remove(what);
                say("250 Done")?;
            }
            "QUIT" => return None,
            _ => say("502 What?")?,
        }
    }
}

#[test]
fn a_broken_transfer_resumes_at_its_byte() {
    let content = numbers(500_000);
    let (address, shared) = start(&[("a b/über", &content)]);
    shared.lock().unwrap().cut_after = Some(200_000);
    let url = format!("ftp://anna:secret@{address}/a b/über");
    let file = RemoteFile::new(url).checksum(sha256(&content));
    let found = read(&quick(), file).unwrap();
    assert!(found.body == content);
    let commands = shared.lock().unwrap().commands.clone();
    let rests: Vec<_> = (commands.iter())
        .filter(|line| line.starts_with("REST"))
        .collect();
    assert_eq!(rests, ["REST 200000", "REST 400000"]);
    assert!(commands.contains(&"PASS secret".to_owned()));
}

#[test]
fn parts_are_read_in_parallel_and_only_from_the_same_address() {
    let content = numbers(500_000);
    let (address, shared) = start(&[("file", &content), ("empty", b"")]);
    shared.lock().unwrap().has_no_extended = true;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = RemoteFile::new(format!("ftp://{address}/file")).save_as(&path);
    read(&quick().part_len(200_000), file.checksum(sha256(&content))).unwrap();
    assert!(fs::read(&path).unwrap() == content);
    let commands = shared.lock().unwrap().commands.clone();
    assert!(commands.contains(&"USER anonymous".to_owned()));
    assert!(commands.contains(&"REST 400000".to_owned()), "{commands:?}");
    assert_eq!(
        read(&quick(), format!("ftp://{address}/empty"))
            .unwrap()
            .len,
        0
    );
}

#[test]
fn files_are_written_under_a_temporary_name_and_renamed() {
    let (address, shared) = start(&[]);
    let url = format!("ftp://{address}/folder/file.txt");
    write(&quick(), (url.clone(), "20.5")).unwrap();
    assert_eq!(shared.lock().unwrap().files["folder/file.txt"], b"20.5");
    let commands = shared.lock().unwrap().commands.clone();
    let stored = commands
        .iter()
        .find(|line| line.starts_with("STOR"))
        .unwrap();
    assert!(stored.starts_with("STOR folder/.file.txt.") && stored.ends_with(".partial"));

    shared.lock().unwrap().is_full = true;
    let error = write(&quick(), (url, "21")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Full), "{error}");
    let files = &shared.lock().unwrap().files;
    assert_eq!(files.len(), 1);
    assert_eq!(files["folder/file.txt"], b"20.5");
}

#[test]
fn server_errors_hide_the_password() {
    let (address, _shared) = start(&[]);
    let error = read(&quick(), format!("ftp://anna:wrong@{address}/file")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Denied));
    let expected = format!(
        "cannot read ftp://{address}/file: the server answered 530 Login incorrect.; check the user, the password and its rights"
    );
    assert_eq!(error.to_string(), expected);
    let error = read(&quick(), format!("ftp://{address}/none")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::NotFound), "{error}");
    let error = read(&quick(), format!("ftps://{address}/file"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the server answered 502"), "{error}");
}
