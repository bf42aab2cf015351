use thalweg::ops::MapAsync;
use thalweg::{Element, Sink, Stream};

use super::{Remote, RemoteContent, RemoteFile, RemoteObject, Transfers};

/// The most elements that a node has in hand, those that wait for their turn included.
const MAX_WAITING: usize = 1024;

/// Reading whole files: [`Stream::read_url`](ReadUrls::read_url).
pub trait ReadUrls {
    /// Reads the file at each URL, or each [`RemoteFile`], and emits its content.
    ///
    /// A connection that is lost is made again, and reading goes on at the byte where it broke off. What does not
    /// succeed after the last retry, is too long or has another checksum, is a failure of this node. 1024 elements are
    /// in hand at most; then the emitter has to wait.
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

/// Writing whole files: [`Stream::write_url`](WriteUrls::write_url).
pub trait WriteUrls {
    /// Writes each element, a URL with a content or a [`RemoteObject`], as a file.
    ///
    /// A reader never sees half of one: it is written under a temporary name, and renamed; S3 has large ones in parts,
    /// and puts them together when all are there. The element is done with once the file is there; until then its
    /// emitter waits, and its token is held. What is lost on the way is written again from its beginning.
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
