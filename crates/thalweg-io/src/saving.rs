//! Local files for downloads: under a temporary name until complete.

use std::io;
#[cfg(feature = "remote")]
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "remote")]
use tokio::fs::OpenOptions;
use tokio::fs::{self, File};
#[cfg(feature = "remote")]
use tokio::io::AsyncSeekExt;
use tokio::io::AsyncWriteExt;

/// An incomplete file, removed on drop unless it is completed.
#[derive(Debug)]
pub(crate) struct Saving {
    path: PathBuf,
    partial: PathBuf,
}

impl Saving {
    /// Creates the temporary file beside the final one.
    ///
    /// # Errors
    /// It cannot be created, or would replace something other than a file.
    pub(crate) async fn create(path: &Path) -> io::Result<(Self, File)> {
        if fs::metadata(path).await.is_ok_and(|found| !found.is_file()) {
            let problem =
                "a device, a pipe or a folder has this name, and the file would take its place";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        let saving = Self {
            path: path.to_owned(),
            partial: beside(path),
        };
        let file = File::create_new(&saving.partial).await?;
        Ok((saving, file))
    }

    /// Opens the temporary file again, to write from this offset on.
    ///
    /// # Errors
    /// The system reports an error.
    #[cfg(feature = "remote")]
    pub(crate) async fn open_at(&self, offset: u64) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(&self.partial).await?;
        file.seek(SeekFrom::Start(offset)).await?;
        Ok(file)
    }

    /// The temporary file.
    #[cfg(feature = "remote")]
    pub(crate) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Synchronizes the file to the disk, and renames it.
    ///
    /// # Errors
    /// It could not be renamed.
    pub(crate) async fn finish(self, mut file: File) -> io::Result<()> {
        file.flush().await?;
        file.sync_data().await?;
        fs::rename(&self.partial, &self.path).await
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        // After the rename there is no such file.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn beside(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}
