//! Checksums of content.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

/// An expected checksum, in hexadecimal digits.
///
/// ```
/// use thalweg_io::Checksum;
///
/// let checksum = Checksum::sha256("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855");
/// assert_eq!(checksum.algorithm(), "sha256");
/// assert_eq!(checksum, Checksum::sha256("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    digits: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Md5,
    Crc32c,
}

impl Checksum {
    /// SHA-256, 64 digits.
    pub fn sha256(digits: impl AsRef<str>) -> Self {
        Self::new(Algorithm::Sha256, digits.as_ref())
    }

    /// MD5, 32 digits: detects damage in transit, not intentional changes.
    pub fn md5(digits: impl AsRef<str>) -> Self {
        Self::new(Algorithm::Md5, digits.as_ref())
    }

    /// CRC-32C, 8 digits: detects damage in transit, not intentional changes.
    pub fn crc32c(digits: impl AsRef<str>) -> Self {
        Self::new(Algorithm::Crc32c, digits.as_ref())
    }

    fn new(algorithm: Algorithm, digits: &str) -> Self {
        Self {
            algorithm,
            digits: digits.trim().to_ascii_lowercase(),
        }
    }

    /// The name of the algorithm: `sha256`, `md5` or `crc32c`.
    pub fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Md5 => "md5",
            Algorithm::Crc32c => "crc32c",
        }
    }

    /// The digits, in lower case.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// # Errors
    /// The number of digits is wrong, or a digit is invalid.
    pub(super) fn check(&self) -> Result<(), String> {
        let len = match self.algorithm {
            Algorithm::Sha256 => 64,
            Algorithm::Md5 => 32,
            Algorithm::Crc32c => 8,
        };
        let is_hex = self.digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match is_hex && self.digits.len() == len {
            true => Ok(()),
            false => Err(format!(
                "a checksum by {} has {len} hexadecimal digits, and {:?} is none",
                self.algorithm(),
                self.digits,
            )),
        }
    }

    pub(super) fn hasher(&self) -> Hasher {
        match self.algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Md5 => Hasher::Md5(Md5::new()),
            Algorithm::Crc32c => Hasher::Crc32c(0),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.digits)
    }
}

/// A checksum being computed.
pub(super) enum Hasher {
    Sha256(Sha256),
    Md5(Md5),
    Crc32c(u32),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Crc32c(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
        }
    }

    /// The digits, in lower case.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => digits(&hasher.finalize()),
            Self::Md5(hasher) => digits(&hasher.finalize()),
            Self::Crc32c(crc) => digits(&crc.to_be_bytes()),
        }
    }
}

pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_known_values() {
        for (checksum, found) in [
            (
                Checksum::sha256(""),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (Checksum::md5(""), "900150983cd24fb0d6963f7d28e17f72"),
            (Checksum::crc32c(""), "364b3fb7"),
        ] {
            let mut hasher = checksum.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), found);
        }
    }

    #[test]
    fn an_invalid_checksum_is_named() {
        assert_eq!(Checksum::crc32c("364B3FB7").check(), Ok(()));
        let problem = Checksum::md5("12").check().expect_err("two digits");
        assert_eq!(
            problem,
            "a checksum by md5 has 32 hexadecimal digits, and \"12\" is none"
        );
    }
}
