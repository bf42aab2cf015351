#![allow(clippy::unwrap_used)]

#[cfg(feature = "remote-ftp")]
mod ftp;
#[cfg(feature = "remote-s3")]
mod s3;
mod servers;
mod source;
mod stand_in;

use std::fs;
use std::time::Duration;

use pollster::block_on;
use thalweg::{Ack, Stream};

use self::stand_in::{StandIn, numbers, sha256};
use super::{
    Checksum, ReadUrls, Remote, RemoteContent, RemoteError, RemoteFailure, RemoteFile,
    RemoteObject, TransferProgress, Transfers, WriteUrls,
};
use crate::testing::{Fault, Proxy};

/// Options with short timeouts.
fn quick() -> Remote {
    Remote::new().wait(Duration::ZERO).max_wait(Duration::ZERO)
}

fn read(remote: &Remote, file: impl Into<RemoteFile>) -> Result<RemoteContent, RemoteError> {
    block_on(Transfers::new(remote).read(file.into()))
}

fn write(remote: &Remote, object: impl Into<RemoteObject>) -> Result<(), RemoteError> {
    block_on(Transfers::new(remote).write(object.into()))
}

fn reason(error: &RemoteError) -> Option<RemoteFailure> {
    match error {
        RemoteError::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

/// Names of the files of a folder.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn contents_arrive_in_the_order_of_their_urls() {
    let server = StandIn::with(&[("/a%20%C3%BC", b"one"), ("/empty", b""), ("/b", b"two")]);
    let urls = Stream::new();
    let contents = urls.read_url(quick());
    let list = contents.map(|content| content.text()).sink_to_list();
    for path in ["/a ü", "/empty", "/b?key=secret#part"] {
        urls.emit(server.url(path)).wait().unwrap();
    }
    urls.drain("1min").wait().unwrap();
    assert_eq!(list.to_vec(), ["one", "", "two"]);
}

#[test]
fn a_broken_connection_is_restored_without_reading_a_byte_twice() {
    let content = numbers(1_000_000);
    let server = StandIn::with(&[("/file", &content)]);
    let proxy = Proxy::to(&server.address).fault(Fault::CutAfter(300_000));
    let proxy = proxy.start().unwrap();
    let progress = TransferProgress::new();
    let url = format!("http://{}/file", proxy.address());
    let file = RemoteFile::new(url).checksum(sha256(&content));
    let found = read(&quick().progress(&progress), file).unwrap();
    assert!(found.body == content);
    assert_eq!((progress.done(), progress.total()), (1_000_000, 1_000_000));
    let asked = server.lock().asked.clone();
    let starts: Vec<u64> = (asked.iter().skip(1))
        .map(|line| line.split(['=', '-']).nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(
        starts.len() >= 3 && starts.is_sorted() && starts[0] > 0,
        "{asked:?}"
    );
}

#[test]
fn a_server_without_ranges_is_read_again_from_its_beginning() {
    let content = numbers(300_000);
    let server = StandIn::with(&[("/file", &content)]);
    server.lock().ignores_ranges = true;
    server.lock().failures = vec![503];
    let found = read(&quick(), server.url("/file")).unwrap();
    assert!(found.body == content);
    let part = super::download::Download::new(
        super::place::Places::new(&quick())
            .find(&server.url("/file"))
            .unwrap(),
        100_000,
        Some(100_010),
        None,
    );
    let piece = block_on(read_all(part));
    assert_eq!(piece, content[100_000..100_010]);
}

/// Reads a whole part.
async fn read_all(mut part: super::download::Download) -> Vec<u8> {
    let (replier, reply) = crate::reply::reply();
    let _running = crate::background::spawn(async move {
        let mut bytes = Vec::new();
        while let Some(piece) = part.next().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        replier.put(bytes);
    });
    reply.await.unwrap()
}

#[test]
fn large_files_are_saved_in_parallel_parts() {
    let content = numbers(1_000_000);
    let server = StandIn::with(&[("/file", &content)]);
    let proxy = Proxy::to(&server.address).fault(Fault::CutAfter(150_000));
    let proxy = proxy.start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let url = format!("http://{}/file", proxy.address());
    let file = RemoteFile::new(url)
        .save_as(&path)
        .checksum(sha256(&content));
    let found = read(&quick().part_len(300_000).parallel(3), file).unwrap();
    assert_eq!((found.len, found.body.len()), (1_000_000, 0));
    assert!(fs::read(&path).unwrap() == content);
    assert_eq!(names(folder.path()), ["file"]);
    let asked = server.lock().asked.clone();
    for start in [0, 300_000, 600_000, 900_000] {
        let range = format!("GET /file bytes={start}-");
        assert!(
            asked.iter().any(|line| line.starts_with(&range)),
            "{asked:?}"
        );
    }
}

#[test]
fn single_part_and_empty_files_are_saved() {
    let content = numbers(1000);
    let server = StandIn::with(&[("/one", &content), ("/empty", b"")]);
    let folder = tempfile::tempdir().unwrap();
    for (name, len) in [("one", 1000), ("empty", 0)] {
        let path = folder.path().join(name);
        let file = RemoteFile::new(server.url(&format!("/{name}"))).save_as(&path);
        let found = read(&quick().part_len(1000), file).unwrap();
        assert_eq!(found.len, len);
        assert_eq!(fs::read(&path).unwrap().len() as u64, len);
    }
}

#[test]
fn a_wrong_checksum_names_both_and_leaves_no_file() {
    let server = StandIn::with(&[("/file", b"abc")]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = RemoteFile::new(server.url("/file"));
    let file = file.checksum(Checksum::crc32c("00000000"));
    for file in [file.clone(), file.save_as(&path)] {
        let error = read(&quick(), file).unwrap_err().to_string();
        let expected = "has the crc32c checksum 364b3fb7, and 00000000 was expected";
        assert!(error.contains(expected), "{error}");
    }
    assert!(names(folder.path()).is_empty());
    server.lock().headers = vec![("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==".to_owned())];
    assert_eq!(read(&quick(), server.url("/file")).unwrap().text(), "abc");
    server.lock().files.insert("/file".to_owned(), "abd".into());
    let error = read(&quick(), server.url("/file")).unwrap_err();
    assert!(matches!(error, RemoteError::Checksum { .. }), "{error}");
}

#[test]
fn unreadable_files_are_named_without_secrets() {
    let server = StandIn::with(&[("/file", &numbers(2000))]);
    let address = server.address.clone();
    let url = format!("http://anna:secret@{address}/none?key=secret");
    let error = read(&quick(), url).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::NotFound));
    let expected = format!(
        "cannot read http://{address}/none: the server answered 404 Not Found; check its name"
    );
    assert_eq!(error.to_string(), expected);

    server.lock().failures = vec![503; 4];
    let error = read(&quick(), server.url("/file")).unwrap_err().to_string();
    assert!(
        error.contains("503 Service Unavailable, after 4 attempts"),
        "{error}"
    );

    server.lock().failures = vec![401];
    let error = read(&quick(), server.url("/file")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Denied));

    let error = read(&quick().max_len(1000), server.url("/file"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is longer than 1000 bytes; raise `max_len`"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = RemoteFile::new(server.url("/file")).save_as(folder.path().join("file"));
    let error = read(&quick().max_file_len(1000), file)
        .unwrap_err()
        .to_string();
    assert!(error.contains("raise `max_file_len`"), "{error}");
    assert!(names(folder.path()).is_empty());

    let error = write(&quick(), (server.url("/file"), "x"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("use `to_http`"), "{error}");
    let error = read(&quick().schemes(["https"]), server.url("/file")).unwrap_err();
    assert!(
        error.to_string().contains("none of the allowed https"),
        "{error}"
    );
}

#[test]
fn a_file_that_changes_during_the_download_is_not_mixed() {
    let server = StandIn::with(&[("/file", &numbers(100_000))]);
    let place = super::place::Places::new(&quick())
        .find(&server.url("/file"))
        .unwrap();
    let (replier, changed) = crate::reply::reply();
    let changing = server.clone();
    let _running = crate::background::spawn(async move {
        let (meta, _) = place.read(0, None, None).await.unwrap();
        changing
            .lock()
            .files
            .insert("/file".to_owned(), vec![0; 100_000].into());
        let mut rest = super::download::Download::new(place, 50_000, None, Some(meta));
        replier.put(rest.next().await);
    });
    let error = block_on(changed).unwrap().unwrap_err();
    assert!(matches!(error, RemoteError::Changed { .. }), "{error}");
}

#[test]
fn local_files_appear_complete_and_their_elements_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Stream::new();
    objects.write_url(quick());
    let path = folder.path().join("new folder/über mich.txt");
    let url = format!("file://{}", path.display());
    let (sender, outcomes) = std::sync::mpsc::channel();
    let ack = Ack::new(move |outcome| sender.send(outcome).unwrap());
    objects
        .emit_with((url.clone(), "20.5"), ack)
        .wait()
        .unwrap();
    assert_eq!(outcomes.recv(), Ok(thalweg::Outcome::Delivered));
    assert_eq!(fs::read_to_string(&path).unwrap(), "20.5");
    assert_eq!(names(path.parent().unwrap()), ["über mich.txt"]);

    let large = folder.path().join("large");
    fs::write(&large, numbers(3_000_000)).unwrap();
    let copy = folder.path().join("copy");
    let object = RemoteObject::of_file(format!("file://{}", copy.display()), &large);
    write(&quick().part_len(1 << 20), object).unwrap();
    assert!(fs::read(&copy).unwrap() == numbers(3_000_000));
    assert_eq!(read(&quick(), url).unwrap().text(), "20.5");
}

#[test]
fn an_obstacle_to_a_local_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = format!("file://{}/none", folder.path().display());
    let error = read(&quick(), none.as_str()).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::NotFound), "{error}");
    let object = RemoteObject::of_file(none, folder.path().join("none"));
    let error = write(&quick(), object).unwrap_err().to_string();
    assert!(
        error.contains("cannot read") && error.contains("none"),
        "{error}"
    );
    fs::create_dir(folder.path().join("folder")).unwrap();
    let url = format!("file://{}/folder", folder.path().display());
    let error = write(&quick(), (url, "x")).unwrap_err();
    assert!(error.to_string().contains("folder"), "{error}");
    assert_eq!(names(folder.path()), ["folder"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let server = StandIn::with(&[("/file", &numbers(2000))]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    // Writing to this fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let file = RemoteFile::new(server.url("/file")).save_as(&path);
    let error = read(&quick(), file).unwrap_err().to_string();
    assert!(error.contains("a device"), "{error}");
    let trouble = super::place::trouble_of("write failed: No space left on device (os error 28)");
    assert_eq!(trouble, RemoteFailure::Full);
}
