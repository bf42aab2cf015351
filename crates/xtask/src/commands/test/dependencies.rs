//! Checks of the dependencies: those required, and those forbidden.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;

pub(super) fn minimal(project: &Project) -> Result<(), Stop> {
    Ok(Invocation::cargo("build --package thalweg --no-default-features").run(project)?)
}

pub(super) fn pure(project: &Project) -> Result<(), Stop> {
    for features in ["--no-default-features", "--all-features"] {
        let tree = Invocation::cargo(
            "tree --package thalweg --edges normal,build --prefix none --format {p}",
        )
        .arg(features)
        .read(project)?;
        let python: Vec<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| is_python(name))
            .collect();
        if !python.is_empty() {
            return Err(Stop::Failed(format!(
                "with {features} thalweg depends on {}",
                python.join(", ")
            )));
        }
    }
    Ok(())
}

/// Runs cargo-deny, without known vulnerabilities, whose list is external and changes at any time.
pub(super) fn deny(project: &Project) -> Result<(), Stop> {
    if !Invocation::cargo("deny --version").succeeds(project) {
        return Err(Stop::Skipped(
            "cargo-deny is not installed; `cargo install --locked cargo-deny` brings it".into(),
        ));
    }
    let check =
        "deny --offline --log-level error check --hide-inclusion-graph bans licenses sources";
    Ok(Invocation::cargo(check).run(project)?)
}

/// Whether a crate binds to Python, judged by its name.
fn is_python(name: &str) -> bool {
    name.starts_with("pyo3") || name.contains("python") || ["numpy", "maturin"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::is_python;

    #[test]
    fn bindings_are_recognized_by_name() {
        assert!(
            [
                "pyo3",
                "pyo3-ffi",
                "cpython",
                "python3-sys",
                "rustpython-vm",
                "numpy"
            ]
            .into_iter()
            .all(is_python)
        );
        assert!(
            !["thalweg", "tokio", "copy_dir", "happy-eyeballs"]
                .into_iter()
                .any(is_python)
        );
    }
}
