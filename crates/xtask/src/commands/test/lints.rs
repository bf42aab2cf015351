//! Static checks of the sources.

use super::needs_component;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;

pub(super) fn fmt(project: &Project) -> Result<(), Stop> {
    needs_component(project, "fmt", "rustfmt")?;
    Ok(Invocation::cargo("fmt --all --check").run(project)?)
}

pub(super) fn clippy(project: &Project) -> Result<(), Stop> {
    needs_component(project, "clippy", "clippy")?;
    Ok(
        Invocation::cargo("clippy --workspace --all-targets --all-features -- -D warnings")
            .run(project)?,
    )
}

pub(super) fn docs(project: &Project) -> Result<(), Stop> {
    let doc = Invocation::cargo("doc --workspace --no-deps --all-features");
    Ok(doc.variable("RUSTDOCFLAGS", "-D warnings").run(project)?)
}
