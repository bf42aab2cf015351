//! Walks the directories of a pattern, one part of its path after the other.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::FilenamesError;

/// One part of a pattern's path.
#[derive(Debug)]
enum Part {
    /// A literal name.
    Literal(PathBuf),
    /// Names that match; `hidden` if the pattern spells out a leading dot.
    Names { matcher: GlobMatcher, hidden: bool },
    /// `**`: any number of directories.
    Directories,
}

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Walk(Vec<Part>);

impl Walk {
    pub(super) fn new(pattern: &Path) -> Result<Self, FilenamesError> {
        let mut parts = Vec::new();
        for component in pattern.components() {
            let special = |byte: &u8| b"*?[]{}\\".contains(byte);
            let bytes = component.as_os_str().as_encoded_bytes();
            let is_name = matches!(component, Component::Normal(_));
            parts.push(match component.as_os_str().to_str() {
                _ if !is_name || !bytes.iter().any(special) => {
                    Part::Literal(PathBuf::from(&component))
                }
                Some("**") => Part::Directories,
                Some(name) => Part::Names {
                    matcher: matcher(name).map_err(|source| FilenamesError::Pattern {
                        pattern: pattern.to_owned(),
                        source,
                    })?,
                    hidden: name.starts_with('.'),
                },
                None => {
                    return Err(FilenamesError::NotUtf8 {
                        pattern: pattern.to_owned(),
                    });
                }
            });
        }
        if let Some(Part::Directories) = parts.last() {
            parts.push(everything());
        }
        Ok(Self(parts))
    }

    /// Everything in a directory.
    pub(super) fn into_directory(path: &Path) -> Self {
        Self(vec![Part::Literal(path.to_owned()), everything()])
    }

    /// The only directory with possible matches; `None` if there are several.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let (last, before) = self.0.split_last()?;
        let names = before.iter().map(|part| match part {
            Part::Literal(name) => Some(name),
            Part::Names { .. } | Part::Directories => None,
        });
        let directory = names.collect::<Option<PathBuf>>()?;
        (!matches!(last, Part::Directories)).then_some(directory)
    }

    pub(super) fn paths(&self) -> Result<HashSet<PathBuf>, FilenamesError> {
        let mut found = HashSet::new();
        walk(PathBuf::new(), &self.0, &mut found)?;
        Ok(found)
    }
}

fn matcher(name: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(name)
        .literal_separator(true)
        .backslash_escape(true)
        .build()?;
    Ok(glob.compile_matcher())
}

fn everything() -> Part {
    Part::Names {
        matcher: matcher("*").expect("`*` is a pattern"),
        hidden: false,
    }
}

fn walk(path: PathBuf, parts: &[Part], found: &mut HashSet<PathBuf>) -> Result<(), FilenamesError> {
    let Some((part, rest)) = parts.split_first() else {
        if fs::symlink_metadata(&path).is_ok() {
            found.insert(path);
        }
        return Ok(());
    };
    match part {
        Part::Literal(name) => walk(path.join(name), rest, found),
        Part::Names { matcher, hidden } => {
            for entry in entries(&path)? {
                let name = entry.file_name();
                if (*hidden || !is_hidden(&entry)) && matcher.is_match(&name) {
                    walk(path.join(name), rest, found)?;
                }
            }
            Ok(())
        }
        Part::Directories => {
            walk(path.clone(), rest, found)?;
            for entry in entries(&path)? {
                // Links are not followed: they may form a cycle.
                if !is_hidden(&entry) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    walk(path.join(entry.file_name()), parts, found)?;
                }
            }
            Ok(())
        }
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Lists a directory; empty if it does not exist or is not a directory.
fn entries(path: &Path) -> Result<Vec<DirEntry>, FilenamesError> {
    let directory = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    match fs::read_dir(directory).and_then(Iterator::collect) {
        Ok(entries) => Ok(entries),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Vec::new()),
            _ => Err(FilenamesError::Read {
                path: directory.to_owned(),
                source: error,
            }),
        },
    }
}
