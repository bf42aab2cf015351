use thalweg::ops::MapAsync;
use thalweg::{Element, Sink, Stream};

use super::{Remote, RemoteContent, RemoteFile, RemoteObject, Transfers};

/// Maximum number of elements of a node in progress or queued.
const MAX_WAITING: usize = 1024;

/// Reading files as a whole: [`Stream::read_url`](ReadUrls::read_url).
pub trait ReadUrls {
    /// Reads the file at each URL, or each [`RemoteFile`], and emits its content.
    ///
    /// A lost connection is restored, and reading continues at the same byte. A file that cannot be read after the
    /// retries, is too large or has another checksum, is a failure of this node. At most 1024 elements are in progress
    /// or queued; then the emitter waits.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{Checksum, Remote, RemoteFile, prelude::*};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("abc.txt");
    /// std::fs::write(&path, "abc")?;
    /// let files = Stream::new();
    /// let texts = files.read_url(Remote::new()).map(|content| content.text()).sink_to_list();
    /// let url = format!("file://{}", path.display());
    /// files.emit(RemoteFile::new(url).checksum(Checksum::crc32c("364b3fb7"))).wait()?;
    /// files.drain("10s").wait()?;
    /// assert_eq!(texts.to_vec(), ["abc"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn read_url(&self, remote: Remote) -> Stream<RemoteContent>;
}

impl<T: Element + Into<RemoteFile>> ReadUrls for Stream<T> {
    fn read_url(&self, remote: Remote) -> Stream<RemoteContent> {
        let transfers = Transfers::new(&remote);
        let is_ordered = transfers.is_ordered();
        let read = move |x: T| transfers.read(x.into());
        let contents = match is_ordered {
            true => self.apply(MapAsync::ordered(MAX_WAITING, read)),
            false => self.apply(MapAsync::unordered(MAX_WAITING, read)),
        };
        contents.named("read_url")
    }
}

/// Writing files as a whole: [`Stream::write_url`](WriteUrls::write_url).
pub trait WriteUrls {
    /// Writes each element, a URL and its content or a [`RemoteObject`], as a file.
    ///
    /// Files become visible when complete: they are written under a temporary name and renamed; large ones on S3 in
    /// parts, which are combined at the end. An element is acknowledged when its file is complete; until then its
    /// emitter waits. An interrupted file is written again from its beginning.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{Remote, prelude::*};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("20.5.txt");
    /// let readings = Stream::new();
    /// let url = format!("file://{}", path.display());
    /// readings.map(move |celsius: f64| (url.clone(), celsius.to_string())).write_url(Remote::new());
    /// readings.emit(20.5).wait()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "20.5");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn write_url(&self, remote: Remote) -> Sink;
}

impl<T: Element + Into<RemoteObject>> WriteUrls for Stream<T> {
    fn write_url(&self, remote: Remote) -> Sink {
        let transfers = Transfers::new(&remote);
        let sink = self.try_sink_async(move |x: T| transfers.write(x.into()));
        sink.named("write_url")
    }
}
