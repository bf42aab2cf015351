//! The tests themselves.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;

pub fn unit(project: &Project) -> Result<(), Stop> {
    let targets = "--lib --bins --tests --examples";
    Ok(
        Invocation::cargo("test --workspace --all-features --no-fail-fast")
            .args(targets.split(' ').map(Into::into))
            .run(project)?,
    )
}

pub fn doctest(project: &Project) -> Result<(), Stop> {
    Ok(Invocation::cargo("test --workspace --all-features --no-fail-fast --doc").run(project)?)
}
