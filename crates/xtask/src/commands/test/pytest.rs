//! The tests of the Python package. If only few fail, they are repeated alone: a test that then passes depends on the
//! load of the machine, which is reported as unsteady.

use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::fs;
use std::io;
use std::path::Path;

/// Maximum number of failures that are repeated.
const MOST_TRIED_AGAIN: usize = 3;

pub(super) fn tests(project: &Project) -> Result<(), Stop> {
    run_tests(project, &Environment::with_wheel(project)?)
}

/// Installs the wheel in another version of Python 3, and runs all tests there.
pub(super) fn tests_on(project: &Project, minor: u32) -> Result<(), Stop> {
    run_tests(project, &Environment::of_minor(project, minor)?)
}

fn run_tests(project: &Project, python: &Environment) -> Result<(), Stop> {
    let examples = python
        .run("-I -m pytest --quiet --doctest-modules --pyargs thalweg")
        .run(project);
    let cache = project.target.join("pytest");
    let tests = |args: &str| {
        python
            .run("-I -m pytest --quiet --override-ini")
            .arg(format!("cache_dir={}", cache.display()))
            .args(args.split(' ').map(Into::into))
            .arg("python/tests")
            .run(project)
    };
    let record = cache.join("v/cache/lastfailed");
    remove_file(&record)?;
    // Two at a time, with the tests of a file in sequence: they may share processes.
    let first = tests("--numprocesses 2 --dist loadfile");
    let Err(failure) = first else {
        return Ok(examples?);
    };
    let failed = failed_tests(&record);
    if failed.is_empty() {
        return Err(failure.into());
    }
    let names = failed.join(", ");
    if failed.len() > MOST_TRIED_AGAIN || tests("--last-failed").is_err() {
        return Err(Stop::Failed(names));
    }
    examples?;
    Err(Stop::Unsteady(format!("failed once, then passed: {names}")))
}

/// The failed tests in pytest's cache: the keys of a JSON object, one per line.
fn failed_tests(record: &Path) -> Vec<String> {
    let text = fs::read_to_string(record).unwrap_or_default();
    let keys = text.lines().filter_map(|line| {
        let (key, _) = line.trim().strip_prefix('"')?.rsplit_once("\":")?;
        Some(key.to_owned())
    });
    keys.collect()
}

fn remove_file(path: &Path) -> Result<(), Stop> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Stop::Failed(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_failed_tests_are_parsed() {
        let record = std::env::temp_dir().join(format!("failed-tests-{}", std::process::id()));
        let text =
            "{\n  \"python/tests/test_a.py::test_b[x:y]\": true,\n  \"test_c.py::test_d\": true\n}";
        fs::write(&record, text).expect("the folder for temporary files can be written to");
        let failed = failed_tests(&record);
        remove_file(&record).expect("it was just written");
        assert_eq!(
            failed,
            ["python/tests/test_a.py::test_b[x:y]", "test_c.py::test_d"]
        );
        assert!(failed_tests(&record).is_empty());
    }
}
