//! Real servers, if installed: nginx for WebDAV, vsftpd for FTP, OpenSSH for SFTP.

use std::path::Path;

use super::*;
use crate::testing::{TestServer, find_file, missing};

const REMEDY: &str = "`cargo xtask services up` brings it";

/// Writes, reads and overwrites files below a URL; `folder` holds these files, if it is accessible.
fn exercise(base: &str, folder: Option<&Path>, remote: &Remote) {
    let url = |name: &str| format!("{base}/{name}");
    for (name, content) in [
        ("a.txt", b"20.5".to_vec()),
        ("a.txt", b"20.7".to_vec()),
        ("new folder/\u{fc}ber mich.txt", b"21".to_vec()),
        ("empty", Vec::new()),
        ("large", numbers(1_000_000)),
    ] {
        write(remote, (url(name), content.clone())).unwrap();
        if let Some(folder) = folder {
            assert!(fs::read(folder.join(name)).unwrap() == content, "{name}");
        }
        let found = read(remote, url(name)).unwrap();
        assert!(found.body == content, "{name}");
    }
    if let Some(folder) = folder {
        assert_eq!(names(folder), ["a.txt", "empty", "large", "new folder"]);
    }
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("copy");
    let file = RemoteFile::new(url("large")).save_as(&copy);
    let file = file.checksum(sha256(&numbers(1_000_000)));
    assert_eq!(
        read(&remote.clone().part_len(300_000), file).unwrap().len,
        1_000_000
    );
    let error = read(remote, url("none")).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::NotFound), "{error}");
    assert!(error.to_string().contains(&url("none")), "{error}");

    let object = RemoteObject::of_file(url("copied"), &copy);
    write(&remote.clone().part_len(300_000), object).unwrap();
    assert!(read(remote, url("copied")).unwrap().body == numbers(1_000_000));

    // Reading resumes at a byte.
    let place = super::super::place::Places::new(remote)
        .find(&url("large"))
        .unwrap();
    let rest = super::super::download::Download::new(place, 999_990, None, None);
    let rest = block_on(read_all(rest));
    assert_eq!(rest, numbers(1_000_000)[999_990..]);
}

#[test]
fn nginx_webdav_round_trip() {
    let Some(module) = find_file("lib/nginx/modules/ngx_http_dav_ext_module.so") else {
        let what = format!("there is no module `dav-ext` of nginx; {REMEDY}");
        assert!(missing::<()>(&what).is_ok(), "{what}");
        return;
    };
    let module = module.display().to_string();
    static MODULE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    MODULE.get_or_init(|| module);
    let server = TestServer::start("nginx", REMEDY, |dir, port| {
        let module = MODULE.get().map(String::as_str).unwrap_or_default();
        let (dir, settings) = (dir.display(), dir.join("nginx.conf"));
        fs::create_dir_all(format!("{dir}/files/private")).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind}; "))
            .concat();
        let text = format!(
            "daemon off; master_process off; error_log {dir}/error.log; pid {dir}/pid;
            load_module {module};
            events {{}}
            http {{
                access_log off; {temporary} client_max_body_size 2m;
                server {{
                    listen 127.0.0.1:{port}; root {dir}/files;
                    location / {{
                        dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
                        create_full_put_path on;
                    }}
                    location /private/ {{ return 401; }}
                }}
            }}"
        );
        fs::write(&settings, text).unwrap();
        vec![
            "-c".into(),
            settings.into(),
            "-p".into(),
            dir.to_string().into(),
        ]
    });
    let Some(server) = server.unwrap() else {
        return;
    };
    let base = format!("webdav://127.0.0.1:{}", server.port());
    fs::remove_dir(server.dir().join("files/private")).unwrap();
    exercise(&base, Some(&server.dir().join("files")), &quick());
    let url = format!("webdav://anna:secret@127.0.0.1:{}/private/x", server.port());
    let error = read(&quick(), url.as_str()).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Denied), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let error = write(&quick(), (format!("{base}/too large"), numbers(3 << 20))).unwrap_err();
    assert!(error.to_string().contains("too%20large"), "{error}");
}

#[cfg(feature = "remote-ftp")]
#[test]
fn vsftpd_round_trip() {
    let server = TestServer::start("vsftpd", REMEDY, |dir, port| {
        let (folder, settings) = (dir.display(), dir.join("vsftpd.conf"));
        fs::create_dir_all(dir.join("files/pub")).unwrap();
        let text = [
            "listen=YES".to_owned(),
            "listen_address=127.0.0.1".to_owned(),
            format!("listen_port={port}"),
            "background=NO".to_owned(),
            "run_as_launching_user=YES".to_owned(),
            "ftp_username=nobody".to_owned(),
            "anonymous_enable=YES".to_owned(),
            format!("anon_root={folder}/files"),
            "write_enable=YES".to_owned(),
            "anon_upload_enable=YES".to_owned(),
            "anon_mkdir_write_enable=YES".to_owned(),
            "anon_other_write_enable=YES".to_owned(),
            "anon_world_readable_only=NO".to_owned(),
            "anon_umask=022".to_owned(),
            "seccomp_sandbox=NO".to_owned(),
            "xferlog_enable=NO".to_owned(),
        ];
        fs::write(&settings, text.join("\n") + "\n").unwrap();
        vec![settings.into()]
    });
    let Some(server) = server.unwrap() else {
        return;
    };
    let base = format!("ftp://127.0.0.1:{}/pub", server.port());
    exercise(&base, Some(&server.dir().join("files/pub")), &quick());
    let url = format!("ftp://anna:secret@127.0.0.1:{}/pub/a.txt", server.port());
    let error = read(&quick(), url.as_str()).unwrap_err();
    assert_eq!(reason(&error), Some(RemoteFailure::Denied), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[cfg(feature = "remote-s3")]
#[test]
fn gofakes3_round_trip_with_multipart() {
    let server = TestServer::start("gofakes3", REMEDY, |_, port| {
        let host = format!("127.0.0.1:{port}");
        let arguments = ["-backend", "mem", "-autobucket", "-host", &host];
        arguments.map(Into::into).into()
    });
    let Some(server) = server.unwrap() else {
        return;
    };
    let endpoint = format!("http://127.0.0.1:{}", server.port());
    let remote = quick().endpoint(endpoint).access_key("river", "s3cret");
    exercise("s3://bucket", None, &remote);
    let remote = remote.part_len(5 << 20).max_len(32 << 20);
    let content = numbers(17 << 20);
    write(&remote, ("s3://bucket/parts", content.clone())).unwrap();
    let file = RemoteFile::new("s3://bucket/parts").checksum(sha256(&content));
    assert!(read(&remote, file).unwrap().body == content);
}
