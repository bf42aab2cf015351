//! Files of FTP servers (RFC 959, 2428, 3659, and 4217 for TLS).

pub(crate) mod answer;
mod connection;

use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::connection::Connection;
use super::{Meta, Pieces, Place, number};
use crate::remote::RemoteFailure;
use crate::remote::error::Trouble;
use crate::remote::upload::Content;

/// Maximum bytes read at once.
const CHUNK: usize = 64 * 1024;

pub(super) async fn stat(place: &Place) -> Result<Meta, Trouble> {
    let mut connection = Connection::open(place).await?;
    let meta = meta(&mut connection, &place.address.path).await;
    connection.quit().await;
    meta
}

async fn meta(connection: &mut Connection, path: &str) -> Result<Meta, Trouble> {
    let size = connection.ask("SIZE", path).await?;
    let time = connection.ask("MDTM", path).await?;
    if size.code == 550 {
        return Err(size.trouble());
    }
    Ok(Meta {
        // A server need not support these.
        len: size.text_if(213).and_then(|text| text.trim().parse().ok()),
        modified: time.text_if(213),
        has_ranges: true,
        ..Meta::default()
    })
}

pub(super) async fn read(
    place: &Place,
    offset: u64,
    end: Option<u64>,
) -> Result<(Meta, Pieces), Trouble> {
    let mut connection = Connection::open(place).await?;
    let meta = meta(&mut connection, &place.address.path).await?;
    let end = end.or(meta.len);
    if end.is_some_and(|end| end <= offset) {
        return Ok((meta, Box::pin(stream::empty())));
    }
    let data = connection
        .transfer("RETR", &place.address.path, offset)
        .await?;
    let left = end.map_or(u64::MAX, |end| end - offset);
    let pieces = stream::try_unfold(Some((connection, data, left)), |state| async move {
        let Some((mut connection, mut data, left)) = state else {
            return Ok(None);
        };
        let mut piece = bytes::BytesMut::with_capacity(CHUNK);
        let read = data.read_buf(&mut piece).await;
        let read = read.map_err(|error| Trouble::passing(error.to_string()))? as u64;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - read.min(left);
        if read == 0 {
            drop(data);
            connection.finish().await?;
            connection.quit().await;
            return Ok(None);
        }
        // Unwanted data is not awaited: the connection is dropped with the rest of the file.
        let state = (left > 0).then_some((connection, data, left));
        Ok(Some((piece.freeze(), state)))
    });
    Ok((meta, Box::pin(pieces)))
}

pub(super) async fn write(place: &Place, content: &Content) -> Result<(), Trouble> {
    let path = &place.address.path;
    let partial = place.address.partial(number());
    let mut connection = Connection::open(place).await?;
    let mut done = 0;
    let written = async {
        let mut data = connection.store(&partial).await?;
        let mut pieces = content.pieces(place).await?;
        while let Some(piece) = pieces.next().await? {
            let written = data.write_all(&piece).await;
            if let Err(error) = written {
                // The server gives the reason on the control connection, for example a full disk.
                return Err(match connection.finish().await {
                    Err(trouble) => trouble,
                    Ok(()) => Trouble::passing(error.to_string()),
                });
            }
            done += piece.len() as u64;
            place.remote.progress.add_done(piece.len() as u64);
        }
        let ended = data.end(place.remote.time_limit).await;
        connection.finish().await?;
        ended.map_err(|error| Trouble::passing(error.to_string()))?;
        let size = connection.ask("SIZE", &partial).await?.text_if(213);
        let size = size.and_then(|text| text.trim().parse::<u64>().ok());
        if size.is_some_and(|size| size != done) {
            let problem = format!("the server has {} of {done} bytes", size.unwrap_or(0));
            return Err(Trouble::passing(problem));
        }
        connection.rename(&partial, path).await
    };
    let written = written.await;
    if let Err(trouble) = written {
        place.remote.progress.take_back(done);
        // It has failed already: the reason matters more than a leftover temporary file.
        let _ = connection.ask("DELE", &partial).await;
        return Err(trouble);
    }
    connection.quit().await;
    Ok(())
}

/// The kind of failure of a server's answer.
fn reason(code: u16, text: &str) -> RemoteFailure {
    let text = text.to_ascii_lowercase();
    match code {
        430 | 530 | 532 => RemoteFailure::Denied,
        452 | 552 => RemoteFailure::Full,
        _ if text.contains("no space") => RemoteFailure::Full,
        550 | 553 if text.contains("permission") || text.contains("denied") => {
            RemoteFailure::Denied
        }
        550 => RemoteFailure::NotFound,
        500 | 502 | 504 => RemoteFailure::Unsupported,
        421 | 425 | 426 | 450 | 451 => RemoteFailure::Network,
        _ => RemoteFailure::Other,
    }
}
