//! The names of files that match a pattern, and of those that appear later.

mod source;
mod walk;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thalweg::interval::{IntervalError, IntoInterval, wait};

pub use source::FromFilenames;
use walk::Walk;

/// File names as a source: those that match a pattern now, sorted, and then, at each look, those
/// that are new, sorted.
///
/// The pattern is the path of a directory, for everything in it, or a glob: `?`, `*`, `[a-z]`,
/// `[!a-z]`, `{csv,txt}` inside one name, `**` for any number of directories, and a backslash
/// before what is meant to the letter. As in a shell, names that begin with a dot are left out
/// unless the pattern spells the dot out.
///
/// Each name is given out once, as in streamz's `filenames`, also if its file goes away and another
/// comes by the same name; [`forget_removed`](Self::forget_removed) changes that. A name is given
/// out as soon as it is seen: let writers write elsewhere, and rename the file when it is complete.
/// Looking takes place on the calling thread; keep patterns that walk large trees on a long
/// `poll_interval`.
///
/// [`Stream::filenames`](FromFilenames::filenames) makes a stream of it, without end. A pattern that
/// is none, or a directory that can't be read, ends the source; if a directory can no longer be read
/// later on, that is reported, and looked at again and again until it can be.
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
    /// Seen by a pipeline's source, which was stopped before it had emitted them.
    ready: VecDeque<PathBuf>,
}

impl Filenames {
    /// Looks for what `pattern` matches. It need not match anything yet.
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

    /// The time from one look to the next: a duration, a number of seconds, or a text such as
    /// `"2s"`; 100 ms by default. With zero it looks again as soon as others on the same event loop have had their turn. A time that can't be waited for is a build error, which the pipeline
    /// reports.
    pub fn poll_interval(mut self, interval: impl IntoInterval) -> Self {
        self.poll_interval = wait(interval);
        self
    }

    /// Whether a name whose file is gone is forgotten, so that it is new when it comes again. It is
    /// not by default. A source that runs for long over a directory where files come and go wants
    /// this: names that are never forgotten take up memory.
    pub fn forget_removed(mut self, forget: bool) -> Self {
        self.forget_removed = forget;
        self
    }

    /// The names that were not there at the last look, sorted. This is how a pipeline looks; it
    /// needs none itself.
    ///
    /// # Errors
    ///
    /// See [`FilenamesError`]. Names are lost by none: the next look gives them out.
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

/// Why file names could not be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilenamesError {
    /// The pattern is not one.
    #[error("`{}` is not a pattern: {}", pattern.display(), source.kind())]
    Pattern {
        /// The pattern as given.
        pattern: PathBuf,
        /// Why it is none.
        source: globset::Error,
    },
    /// A part of the pattern has wildcards and is not UTF-8. The names it matches, and its other
    /// parts, need not be.
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
        /// Why not.
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

    /// The new names, without the directory's.
    fn poll(names: &mut Filenames, dir: &TempDir) -> Vec<String> {
        let inside = |path: PathBuf| path.strip_prefix(dir.path()).unwrap().display().to_string();
        names.poll().unwrap().into_iter().map(inside).collect()
    }

    #[test]
    fn a_directory_stands_for_everything_in_it_that_is_not_hidden() {
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
        // Tests run in the crate's own directory.
        let found = |pattern: &str| Filenames::new(pattern).poll().unwrap();
        assert_eq!(found("Cargo.t*"), [Path::new("Cargo.toml")]);
        assert_eq!(found("./src/l?b.rs"), [Path::new("./src/lib.rs")]);
    }

    #[test]
    fn what_does_not_exist_yet_is_waited_for() {
        let dir = dir_with(&[]);
        let mut names = Filenames::new(dir.path().join("later"));
        assert!(names.poll().unwrap().is_empty());
        fs::create_dir(dir.path().join("later")).unwrap();
        fs::write(dir.path().join("later/a"), "").unwrap();
        assert_eq!(poll(&mut names, &dir), ["later/a"]);
    }

    #[test]
    fn a_name_comes_again_only_if_removed_ones_are_forgotten() {
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
    fn what_is_no_pattern_is_an_error_that_names_it() {
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
        fn each_look_gives_what_is_new_sorted(
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
