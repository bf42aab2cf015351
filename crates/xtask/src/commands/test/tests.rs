//! Tests of the workspace.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;

/// All packages except the Python module, which cannot be linked without an interpreter and is tested in Python.
pub(super) const WORKSPACE: &str =
    "test --workspace --exclude thalweg-python --all-features --no-fail-fast";

pub(super) fn unit(project: &Project) -> Result<(), Stop> {
    // Tests of their packages run the other examples.
    let targets = "--lib --bins --tests --example demo";
    Ok(Invocation::cargo(WORKSPACE)
        .args(targets.split(' ').map(Into::into))
        // Many tests sleep, those with Kafka for seconds.
        .variable("RUST_TEST_THREADS", "4")
        .run(project)?)
}

pub(super) fn core(project: &Project) -> Result<(), Stop> {
    Ok(Invocation::cargo("test --package thalweg --all-features --lib --quiet").run(project)?)
}

pub(super) fn doctest(project: &Project) -> Result<(), Stop> {
    Ok(Invocation::cargo(WORKSPACE).arg("--doc").run(project)?)
}
