//! Names of files that match a pattern, including those that appear later.

mod source;
mod walk;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thalweg::interval::{IntervalError, IntoInterval, wait};

pub use source::FromFilenames;
use walk::Walk;

use crate::watch::Place;

/// File names as a source: the current matches in sorted order, and then, at each poll, the new ones in sorted order.
///
/// The pattern is the path of a directory, for everything in it, or a glob: `?`, `*`, `[a-z]`, `[!a-z]`, `{csv,txt}`
/// within one name, `**` for any number of directories, and a backslash before a literal character. As in a shell,
/// names that begin with a dot match only if the pattern spells the dot out.
///
/// Each name is emitted once, as by streamz's `filenames`, even if its file is removed and another one appears under
/// the same name; [`forget_removed`](Self::forget_removed) changes that. A name is emitted as soon as it is seen: let
/// writers write elsewhere, and rename complete files. Polling runs on the calling thread; use a long `poll_interval`
/// for patterns that walk large trees.
///
/// With the feature `file-events`, where the system tells of changes, a pipeline looks within milliseconds of a file's
/// being closed, renamed or removed, and otherwise every second. It looks at every interval on network file systems, if a
/// directory's name in the pattern has wildcards, and on a virtual clock.
///
/// [`Stream::filenames`](FromFilenames::filenames) makes an endless stream of it. An invalid pattern, or a directory
/// that cannot be read, ends the source. If a directory becomes unreadable later, this is reported, and polling
/// continues.
///
/// ```
/// use thalweg_io::Filenames;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// std::fs::write(dir.join("b.csv"), "")?;
/// std::fs::write(dir.join("a.csv"), "")?;
/// std::fs::write(dir.join("c.txt"), "")?;
///
/// let mut names = Filenames::new(dir.join("*.csv"));
/// assert_eq!(names.poll()?, [dir.join("a.csv"), dir.join("b.csv")]);
///
/// std::fs::write(dir.join("0.csv"), "")?;
/// assert_eq!(names.poll()?, [dir.join("0.csv")]);
/// assert!(names.poll()?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Filenames {
    pattern: PathBuf,
    /// The pattern as a glob, compiled on first use.
    walk: Option<Walk>,
    poll_interval: Result<Duration, IntervalError>,
    forget_removed: bool,
    seen: HashSet<PathBuf>,
    /// Names seen by a pipeline's source that was stopped before it emitted them.
    ready: VecDeque<PathBuf>,
}

impl Filenames {
    /// Watches for matches of `pattern`. It need not match anything yet.
    pub fn new(pattern: impl AsRef<Path>) -> Self {
        Self {
            pattern: pattern.as_ref().to_owned(),
            walk: None,
            poll_interval: Ok(Duration::from_millis(100)),
            forget_removed: false,
            seen: HashSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// Time between two polls: a duration, a number of seconds, or text such as `"2s"`; 100 ms by default. With zero it
    /// polls again after other tasks of the event loop had their turn. An invalid time is a build error, which the
    /// pipeline reports.
    pub fn poll_interval(mut self, interval: impl IntoInterval) -> Self {
        self.poll_interval = wait(interval);
        self
    }

    /// Whether to forget a name when its file is removed, so that it is new when it appears again: false by default.
    /// Set it for a source that runs for long over a directory where files come and go: remembered names take memory.
    pub fn forget_removed(mut self, forget: bool) -> Self {
        self.forget_removed = forget;
        self
    }

    /// The names that were not there at the last poll, in sorted order. For use without a pipeline.
    ///
    /// # Errors
    ///
    /// See [`FilenamesError`]. No name is lost: the next poll returns it.
    pub fn poll(&mut self) -> Result<Vec<PathBuf>, FilenamesError> {
        let found = self.list()?;
        if self.forget_removed {
            self.seen.retain(|name| found.contains(name));
        }
        let mut new: Vec<PathBuf> = found.difference(&self.seen).cloned().collect();
        new.sort_unstable();
        self.seen.extend(new.iter().cloned());
        Ok(new)
    }

    /// What is to be looked at.
    fn place(&self) -> Place {
        if self.pattern.is_dir() {
            return Place::Directory(self.pattern.clone());
        }
        match self.walk.as_ref().and_then(Walk::directory) {
            Some(directory) => Place::Directory(directory),
            None => Place::Many,
        }
    }

    fn list(&mut self) -> Result<HashSet<PathBuf>, FilenamesError> {
        if self.pattern.is_dir() {
            return Walk::into_directory(&self.pattern).paths();
        }
        let walk = match &mut self.walk {
            Some(walk) => walk,
            none => none.insert(Walk::new(&self.pattern)?),
        };
        walk.paths()
    }
}

impl<P: AsRef<Path>> From<P> for Filenames {
    fn from(pattern: P) -> Self {
        Self::new(pattern)
    }
}

/// Errors of looking for file names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilenamesError {
    /// The pattern is invalid.
    #[error("`{}` is not a pattern: {}", pattern.display(), source.kind())]
    Pattern {
        /// The pattern as given.
        pattern: PathBuf,
        /// The cause.
        source: globset::Error,
    },
    /// A part of the pattern has wildcards and is not UTF-8. Matching names, and other parts, need not be UTF-8.
    #[error("`{}` is not a pattern: a part with wildcards is not UTF-8", pattern.display())]
    NotUtf8 {
        /// The pattern as given.
        pattern: PathBuf,
    },
    /// A directory could not be read.
    #[error("cannot look into {}: {source}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn dir_with(names: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    /// The new names, relative to the directory.
    fn poll(names: &mut Filenames, dir: &TempDir) -> Vec<String> {
        let inside = |path: PathBuf| path.strip_prefix(dir.path()).unwrap().display().to_string();
        names.poll().unwrap().into_iter().map(inside).collect()
    }

    #[test]
    fn a_directory_matches_its_files_except_hidden_ones() {
        let dir = dir_with(&["b", "a", ".hidden", "sub/c"]);
        let mut names = Filenames::new(dir.path());
        assert_eq!(poll(&mut names, &dir), ["a", "b", "sub"]);
    }

    #[test]
    fn a_directory_whose_name_looks_like_a_pattern_is_a_directory() {
        let dir = dir_with(&["[ab]*/x", "a/y"]);
        let mut names = Filenames::new(dir.path().join("[ab]*"));
        assert_eq!(poll(&mut names, &dir), ["[ab]*/x"]);
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        let dir = dir_with(&[
            "1.csv",
            "2.csv",
            "2.txt",
            "sub/3.csv",
            "sub/sub/4.csv",
            ".5.csv",
        ]);
        let found = |pattern: &str| poll(&mut Filenames::new(dir.path().join(pattern)), &dir);
        assert_eq!(found("*.csv"), ["1.csv", "2.csv"]);
        assert_eq!(found("2.*"), ["2.csv", "2.txt"]);
        assert_eq!(found("[!1].csv"), ["2.csv"]);
        assert_eq!(found("*/*.csv"), ["sub/3.csv"]);
        assert_eq!(
            found("**/*.csv"),
            ["1.csv", "2.csv", "sub/3.csv", "sub/sub/4.csv"]
        );
        assert_eq!(found(".*.csv"), [".5.csv"]);
        assert_eq!(found("1.csv"), ["1.csv"]);
        assert_eq!(found("{1,3}.csv"), ["1.csv"]);
        assert_eq!(found("sub/**"), ["sub/3.csv", "sub/sub", "sub/sub/4.csv"]);
        assert_eq!(found("**/sub/*.csv"), ["sub/3.csv", "sub/sub/4.csv"]);
        assert_eq!(found("1.csv/*"), Vec::<String>::new());
    }

    #[test]
    fn a_relative_pattern_gives_relative_names() {
        // Tests run in the directory of the crate.
        let found = |pattern: &str| Filenames::new(pattern).poll().unwrap();
        assert_eq!(found("Cargo.t*"), [Path::new("Cargo.toml")]);
        assert_eq!(found("./src/l?b.rs"), [Path::new("./src/lib.rs")]);
    }

    #[test]
    fn missing_paths_are_waited_for() {
        let dir = dir_with(&[]);
        let mut names = Filenames::new(dir.path().join("later"));
        assert!(names.poll().unwrap().is_empty());
        fs::create_dir(dir.path().join("later")).unwrap();
        fs::write(dir.path().join("later/a"), "").unwrap();
        assert_eq!(poll(&mut names, &dir), ["later/a"]);
    }

    #[test]
    fn a_name_is_emitted_again_only_if_removed_names_are_forgotten() {
        for forget in [false, true] {
            let dir = dir_with(&["a"]);
            let mut names = Filenames::new(dir.path()).forget_removed(forget);
            assert_eq!(poll(&mut names, &dir), ["a"]);
            fs::remove_file(dir.path().join("a")).unwrap();
            assert!(names.poll().unwrap().is_empty());
            assert_eq!(names.seen.len(), usize::from(!forget));
            fs::write(dir.path().join("a"), "").unwrap();
            assert_eq!(names.poll().unwrap().len(), usize::from(forget));
        }
    }

    #[test]
    fn an_invalid_pattern_is_an_error_that_names_it() {
        let error = Filenames::new("data/[a.csv").poll().unwrap_err();
        assert!(matches!(error, FilenamesError::Pattern { .. }));
        assert!(
            error
                .to_string()
                .starts_with("`data/[a.csv` is not a pattern: ")
        );
    }

    #[cfg(unix)]
    #[test]
    fn names_need_not_be_utf8() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let dir = TempDir::new().unwrap();
        let odd = dir.path().join(OsStr::from_bytes(b"odd\xff"));
        fs::write(&odd, "").unwrap();
        for pattern in [dir.path().to_owned(), dir.path().join("odd*"), odd.clone()] {
            let found = Filenames::new(pattern).poll().unwrap();
            assert_eq!(found, std::slice::from_ref(&odd));
        }
        let error = Filenames::new(dir.path().join(OsStr::from_bytes(b"\xff*"))).poll();
        assert!(matches!(error, Err(FilenamesError::NotUtf8 { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_poll_gives_new_names_sorted(
            steps in prop::collection::vec(prop::collection::vec((0..20_u8, any::<bool>()), 0..6), 1..8),
        ) {
            let dir = TempDir::new().unwrap();
            let mut names = Filenames::new(dir.path().join("*.csv"));
            let mut seen = BTreeSet::new();
            for step in steps {
                let mut new = BTreeSet::new();
                for (name, csv) in step {
                    let name = format!("{name}.{}", if csv { "csv" } else { "txt" });
                    fs::write(dir.path().join(&name), "").unwrap();
                    if csv && seen.insert(name.clone()) {
                        new.insert(name);
                    }
                }
                prop_assert_eq!(poll(&mut names, &dir), Vec::from_iter(new));
            }
        }
    }
}
