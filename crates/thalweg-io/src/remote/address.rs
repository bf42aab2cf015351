//! URLs of remote files, parsed and validated.

use std::fmt;

use reqwest::Url;

use super::RemoteError;

/// Protocol of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    File,
    Http,
    Https,
    S3,
    Ftp,
    Ftps,
    Sftp,
    WebDav,
    WebDavs,
}

/// Schemes as URLs have them.
const SCHEMES: [(&str, Scheme); 9] = [
    ("file", Scheme::File),
    ("http", Scheme::Http),
    ("https", Scheme::Https),
    ("s3", Scheme::S3),
    ("ftp", Scheme::Ftp),
    ("ftps", Scheme::Ftps),
    ("sftp", Scheme::Sftp),
    ("webdav", Scheme::WebDav),
    ("webdavs", Scheme::WebDavs),
];

/// A parsed URL.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The URL as given, for systems that speak HTTP.
    pub(super) url: Url,
    /// The host, or the bucket.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The decoded path, without its leading slash.
    pub(super) path: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown()).finish()
    }
}

impl Address {
    /// # Errors
    /// What is wrong with the URL.
    pub(super) fn parse(text: &str) -> Result<Self, RemoteError> {
        let invalid = |problem: String| RemoteError::Invalid {
            url: hidden(text),
            problem,
        };
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        let scheme = SCHEMES.iter().find(|(name, _)| *name == url.scheme());
        let Some((_, scheme)) = scheme else {
            let names = SCHEMES.map(|(name, _)| format!("`{name}:`")).join(", ");
            return Err(invalid(format!("its scheme is none of {names}")));
        };
        let decode = |text: &str| percent_decode(text).ok_or("it is not UTF-8".to_owned());
        let path = decode(url.path()).map_err(invalid)?;
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        if host.is_empty() != (*scheme == Scheme::File) && host != "localhost" {
            return Err(invalid(match scheme {
                Scheme::File => "a file of this machine has no host: `file:///folder/name`".into(),
                Scheme::S3 => "it has no bucket: `s3://bucket/key`".into(),
                _ => format!("it has no host: `{}://host/path`", url.scheme()),
            }));
        }
        let user = Some(url.username()).filter(|user| !user.is_empty());
        let address = Self {
            scheme: *scheme,
            host,
            port: url.port(),
            user: user.map(decode).transpose().map_err(invalid)?,
            password: url.password().map(decode).transpose().map_err(invalid)?,
            path: path.strip_prefix('/').unwrap_or(&path).to_owned(),
            url,
        };
        address.check_path().map_err(invalid)?;
        let has_control = |text: &Option<String>| text.as_deref().is_some_and(has_control);
        if has_control(&address.user) || has_control(&address.password) {
            return Err(invalid("its login has a control character".to_owned()));
        }
        Ok(address)
    }

    /// A path with the same meaning for every system: without encoded slashes that hide parent folders, and without
    /// line ends of a protocol.
    fn check_path(&self) -> Result<(), String> {
        if has_control(&self.path) {
            return Err("its path has a control character".to_owned());
        }
        if matches!(self.scheme, Scheme::Http | Scheme::Https) {
            return Ok(());
        }
        if (self.path.split('/')).any(|part| matches!(part, ".." | ".")) {
            return Err("its path has a part `..` or `.`: name the file directly".to_owned());
        }
        if self.path.is_empty() || self.path.ends_with('/') {
            return Err("it names a folder, not a file".to_owned());
        }
        Ok(())
    }

    /// The name of the scheme.
    pub(super) fn scheme_name(&self) -> &str {
        self.url.scheme()
    }

    /// The URL without user, password and query.
    pub(super) fn shown(&self) -> String {
        crate::web::shown(&self.url)
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// A temporary name beside the file.
    pub(super) fn partial(&self, number: u64) -> String {
        let folder = self.path.len() - self.name().len();
        let partial = format!(".{}.{number:016x}.partial", self.name());
        format!("{}{partial}", &self.path[..folder])
    }
}

/// The part of an invalid URL that may be shown: it may contain a password nevertheless.
pub(super) fn hidden(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => crate::web::shown(&url),
        Err(_) if text.contains('@') => "a URL with a login".to_owned(),
        Err(_) => {
            let end = text.find(['?', '#']).unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
        match (first, hex(behind.first()), hex(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_is_parsed() {
        let address = Address::parse("ftp://anna:s%3Acret@host:2121/a%20b/%C3%BCber.txt").unwrap();
        assert_eq!((address.scheme, address.port), (Scheme::Ftp, Some(2121)));
        assert_eq!(address.user.as_deref(), Some("anna"));
        assert_eq!(address.password.as_deref(), Some("s:cret"));
        assert_eq!(address.path, "a b/über.txt");
        assert_eq!(address.shown(), "ftp://host:2121/a%20b/%C3%BCber.txt");
        assert_eq!(address.partial(1), "a b/.über.txt.0000000000000001.partial");
        let file = Address::parse("file:///tmp/x").unwrap();
        assert_eq!((file.path.as_str(), file.host.as_str()), ("tmp/x", ""));
        assert_eq!(file.partial(1), "tmp/.x.0000000000000001.partial");
    }

    #[test]
    fn url_errors_hide_the_password() {
        for (url, problem) in [
            ("gopher://host/x", "its scheme is none of `file:`, `http:`"),
            ("s3:///key", "it has no bucket"),
            ("file://host/x", "a file of this machine has no host"),
            ("ftp://host/", "it names a folder"),
            ("sftp://host/a/", "it names a folder"),
            (
                "ftp://host/a%0D%0ADELE%20x",
                "its path has a control character",
            ),
            ("ftp://a%0Ab:c@host/x", "its login has a control character"),
            ("s3://bucket/a/..%2F..%2Fb", "its path has a part `..`"),
            ("ftp://anna:secret@host/%FF", "it is not UTF-8"),
            ("//anna:secret@host/x", "relative URL without a base"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(problem), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
