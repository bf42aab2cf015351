use super::stand_in::KEY;
use super::*;

fn remote(server: &StandIn) -> Remote {
    let remote = quick().endpoint(server.url("")).region("us-east-1");
    remote.access_key(KEY.0, KEY.1)
}

#[test]
fn small_objects_are_sent_in_one_request_and_large_ones_in_parts() {
    let server = StandIn::start();
    let remote = remote(&server).part_len(5 << 20);
    write(&remote, ("s3://bucket/a b/über", "20.5")).unwrap();
    assert_eq!(server.lock().begun, 0);
    let content = numbers(11 << 20);
    write(&remote, ("s3://bucket/large", content.clone())).unwrap();
    assert_eq!(server.lock().begun, 1);
    let found = read(&remote, "s3://bucket/a b/über").unwrap();
    assert_eq!(
        (found.text().as_str(), found.etag.is_some()),
        ("20.5", true)
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let file = RemoteFile::new("s3://bucket/large").save_as(&path);
    let remote = remote.verify_etag();
    read(&remote, file.checksum(sha256(&content))).unwrap();
    assert!(fs::read(&path).unwrap() == content);
    let object = RemoteObject::of_file("s3://bucket/copy", &path);
    write(&remote, object).unwrap();
    assert!(server.lock().files["/bucket/copy"] == content);
    write(&remote, ("s3://bucket/empty", "")).unwrap();
    assert_eq!(read(&remote, "s3://bucket/empty").unwrap().len, 0);
}

#[test]
fn a_busy_store_is_retried_and_failed_uploads_leave_no_parts() {
    let server = StandIn::start();
    server.lock().failures = vec![503, 500];
    let progress = TransferProgress::new();
    let remote = remote(&server).part_len(5 << 20).progress(&progress);
    write(&remote, ("s3://bucket/file", "20.5")).unwrap();
    assert_eq!(server.lock().files["/bucket/file"], "20.5");
    assert_eq!((progress.done(), progress.total()), (4, 4));
    server.lock().failures = vec![503];
    assert_eq!(read(&remote, "s3://bucket/file").unwrap().text(), "20.5");

    let error = {
        let remote = remote.clone().retries(0).parallel(1);
        let mut shared = server.lock();
        shared.asked.clear();
        shared.fails_from_part = Some(2);
        drop(shared);
        write(&remote, ("s3://bucket/large", numbers(11 << 20))).unwrap_err()
    };
    assert_eq!(reason(&error), Some(RemoteFailure::Network), "{error}");
    let shared = server.lock();
    assert_eq!((shared.begun, shared.given_up), (1, 1));
    assert!(!shared.files.contains_key("/bucket/large"));
}

#[test]
fn store_errors_hide_secrets() {
    let server = StandIn::start();
    let remote = remote(&server);
    let error = read(&remote, "s3://bucket/none").unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::NotFound), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("cannot read s3://bucket/none: "),
        "{error}"
    );

    let wrong = remote.access_key("other", "s3cret");
    let error = write(&wrong, ("s3://bucket/x", "x")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Denied), "{error}");
    let error = error.to_string();
    assert!(
        error.contains("The key is unknown. (InvalidAccessKeyId); check the access key"),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");

    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nowhere.local_addr().unwrap();
    drop(nowhere);
    let gone = quick()
        .endpoint(format!("http://{address}"))
        .access_key("a", "b")
        .retries(1);
    let error = read(&gone, "s3://bucket/x").unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Network), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
