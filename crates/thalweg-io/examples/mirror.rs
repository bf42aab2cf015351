//! Mirrors files: reads, checks and writes them. A damaged file is not written.
//!
//! A list contains their names and checksums. Here both ends are local folders; with other URLs they are a bucket,
//! `s3://bucket/`, or a server, `ftp://host/folder/`, without changes to the program.

use std::fs;
use std::path::Path;

use thalweg::{BoxError, Stream};
use thalweg_io::files::Records;
use thalweg_io::remote::TransferProgress;
use thalweg_io::{
    Checksum, Remote, RemoteContent, RemoteFile, RemoteObject, UrlSource, prelude::*,
};

/// Names, contents, and the CRC-32C of the undamaged contents.
const FILES: [(&str, &str, &str); 3] = [
    ("spring.txt", "0.2 m", "4b302f8e"),
    ("gorge.txt", "3.7 m", "00000000"),
    ("mouth.txt", "9 m", "cdf7b5ec"),
];

/// Writes the files and their list. One of them is damaged.
fn publish(folder: &Path) -> Result<(), BoxError> {
    fs::create_dir(folder)?;
    let mut list = String::new();
    for (name, text, checksum) in FILES {
        fs::write(folder.join(name), text)?;
        list += &format!("[{name:?}, {checksum:?}]\n");
    }
    Ok(fs::write(folder.join("files.jsonl"), list)?)
}

/// Copies the files at one URL to another; returns the number of bytes read, and the failures.
fn mirror(here: String, there: String) -> Result<(u64, Vec<String>), BoxError> {
    let progress = TransferProgress::new();
    let records = Records::<(String, String)>::jsonl();
    let entries = Stream::from_url(UrlSource::new(format!("{here}/files.jsonl"), records));
    let files = entries.map(move |(name, checksum)| {
        RemoteFile::new(format!("{here}/{name}")).checksum(Checksum::crc32c(checksum))
    });
    let contents = files.read_url(Remote::new().progress(&progress));
    let failed = contents.errors().map(|failure| failure.cause().to_string());
    let failed = failed.sink_to_list();
    let objects = contents.map(move |content: RemoteContent| {
        let name = content.url.rsplit('/').next().unwrap_or_default();
        RemoteObject::new(format!("{there}/{name}"), content.body)
    });
    objects.write_url(Remote::new());
    entries.run("1min").wait()?;
    Ok((progress.done(), failed.to_vec()))
}

/// Mirrors a folder, and prints the contents of the other one.
pub(crate) fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    publish(&here)?;
    let url = |folder: &Path| format!("file://{}", folder.display());
    let (done, failed) = mirror(url(&here), url(&there))?;
    let mut found = Vec::new();
    for file in fs::read_dir(there)? {
        found.push(file?.file_name().into_string().unwrap_or_default());
    }
    found.sort();
    println!("{done} bytes, {found:?}, {failed:?}");
    assert_eq!(
        (done, found),
        (13, vec!["mouth.txt".into(), "spring.txt".into()])
    );
    assert!(
        failed[0].contains("gorge.txt has the crc32c checksum"),
        "{failed:?}"
    );
    Ok(())
}
