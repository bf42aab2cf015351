//! A file under its temporary name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thalweg::Acks;

use super::FileError;
use super::kept::Record;
use super::name::{again, check_replaceable, partial};

/// An incomplete file. It is removed on drop, unless it has been renamed.
pub(super) struct Part<T> {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    /// Unwritten bytes.
    pub(super) buffer: Vec<u8>,
    written: u64,
    pub(super) rows: u64,
    pub(super) elements: u64,
    /// When it began, on the pipeline's clock.
    pub(super) began: Duration,
    /// Whether its format has written the footer.
    pub(super) is_ended: bool,
    replaces: bool,
    has_name: bool,
    acks: Vec<Acks>,
    /// The last element, which represents all of them if they are lost.
    pub(super) last: Option<T>,
    /// The positions that hold once it has its name.
    pub(super) record: Option<Record>,
}

impl<T> Part<T> {
    /// # Errors
    /// It cannot be created, or would replace something other than a file.
    pub(super) fn create(
        path: PathBuf,
        replaces: bool,
        began: Duration,
    ) -> Result<Self, FileError> {
        check_replaceable(&path)?;
        let partial = partial(&path);
        // Never through an existing link.
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let file = match options.open(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&partial).and_then(|()| options.open(&partial))
            }
            opened => opened,
        };
        let file = file.map_err(|error| FileError::io("create", &path, error))?;
        Ok(Self {
            path,
            partial,
            file,
            buffer: Vec::new(),
            written: 0,
            rows: 0,
            elements: 0,
            began,
            is_ended: false,
            replaces,
            has_name: false,
            acks: Vec::new(),
            last: None,
            record: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length so far, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Elements with tokens.
    pub(super) fn unacknowledged(&self) -> usize {
        self.acks.len()
    }

    pub(super) fn keep(&mut self, acks: Acks) {
        if !acks.is_none() {
            self.acks.push(acks);
        }
    }

    /// Writes the buffered bytes.
    ///
    /// # Errors
    /// They cannot be written: they stay buffered, and nothing of them is in the file.
    pub(super) fn flush(&mut self) -> Result<(), FileError> {
        let result = self.file.write_all(&self.buffer).inspect_err(|_| {
            let _ = self.file.set_len(self.written);
            let _ = self.file.seek(SeekFrom::Start(self.written));
        });
        result.map_err(|error| FileError::io("write to", &self.path, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Synchronizes the file to the disk, if it `syncs`, and writes its record.
    ///
    /// # Errors
    /// The system reports an error. The state of the bytes is then unknown: call [`rewrite`](Self::rewrite) before a
    /// retry.
    pub(super) fn secure(&mut self, syncs: bool) -> Result<(), FileError> {
        let secured = self.try_secure(syncs);
        secured.map_err(|error| FileError::io("finish", &self.path, error))
    }

    fn try_secure(&self, syncs: bool) -> io::Result<()> {
        self.check_own()?;
        if syncs {
            #[cfg(test)]
            refused(&self.path)?;
            self.file.sync_all()?;
        }
        match &self.record {
            Some(record) => record.write(syncs),
            None => Ok(()),
        }
    }

    /// Writes the contents of the file to another one, which replaces it. A system that failed to write a page to the
    /// disk may consider it clean, and would not write it at the next attempt.
    ///
    /// # Errors
    /// It cannot be read, or not be written.
    pub(super) fn rewrite(&mut self) -> Result<(), FileError> {
        let rewritten = self.try_rewrite();
        rewritten.map_err(|error| FileError::io("finish", &self.path, error))
    }

    fn try_rewrite(&mut self) -> io::Result<()> {
        let mut old = File::open(&self.partial)?;
        // Another name for the old one: while there is a file under the partial name, no record holds.
        let new = again(&self.path);
        let mut file = File::create(&new)?;
        let copied = io::copy(&mut old, &mut file)?;
        if copied != self.written {
            let problem = format!("{copied} bytes are left of {}", self.written);
            return Err(io::Error::other(problem));
        }
        fs::rename(&new, &self.partial).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })?;
        self.file = file;
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// It could not be renamed.
    pub(super) fn finish(&mut self, syncs: bool) -> Result<(), FileError> {
        check_replaceable(&self.path)?;
        let named = self.rename(syncs);
        named.map_err(|error| FileError::io("finish", &self.path, error))?;
        self.has_name = true;
        if let Some(record) = &self.record {
            record.take_place();
        }
        Ok(())
    }

    /// # Errors
    /// The file under the partial name is another one: giving it the name would pass it off as this one.
    fn check_own(&self) -> io::Result<()> {
        if !self.is_taken() {
            return Ok(());
        }
        let problem = "another pipeline has begun the same file meanwhile: drain the first one before, or give them \
                       different names";
        Err(io::Error::new(io::ErrorKind::AlreadyExists, problem))
    }

    /// Whether somebody else has replaced the file under the partial name.
    #[cfg(unix)]
    fn is_taken(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;

        let identity = |file: fs::Metadata| (file.dev(), file.ino());
        match (self.file.metadata(), fs::symlink_metadata(&self.partial)) {
            (Ok(own), Ok(there)) => identity(own) != identity(there),
            _ => false,
        }
    }

    #[cfg(not(unix))]
    fn is_taken(&self) -> bool {
        false
    }

    fn rename(&self, syncs: bool) -> io::Result<()> {
        self.check_own()?;
        if !self.replaces && self.path.try_exists()? {
            let problem =
                "another file has got this name meanwhile: does another program write here?";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        fs::rename(&self.partial, &self.path)?;
        #[cfg(unix)]
        if syncs && let Some(folder) = self.path.parent() {
            let folder = match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            };
            // Makes the name durable. Where folders cannot be synchronized, the system does so by itself.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        if !self.has_name {
            self.acks.iter().for_each(Acks::fail);
        }
        if !self.has_name && !self.is_taken() {
            if let Some(record) = &self.record {
                Record::remove(&record.path);
            }
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Files that a disk refuses, once for each time that they are listed.
#[cfg(test)]
pub(super) static REFUSED: std::sync::Mutex<Vec<PathBuf>> = std::sync::Mutex::new(Vec::new());

#[cfg(test)]
fn refused(path: &Path) -> io::Result<()> {
    let mut refused = REFUSED.lock().expect("no test panics with it");
    match refused.iter().position(|one| one == path) {
        Some(at) => {
            refused.remove(at);
            Err(io::Error::other("the disk does not take it"))
        }
        None => Ok(()),
    }
}
