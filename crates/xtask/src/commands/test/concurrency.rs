//! Tests under loom, which runs all interleavings of their threads.

use super::needs_tests;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;

pub(super) fn loom(project: &Project) -> Result<(), Stop> {
    for package in ["thalweg --test loom", "thalweg-tasks --lib"] {
        // The flag applies to every crate, hence a separate target directory. Unoptimized, loom takes minutes.
        let tests = || {
            Invocation::cargo(&format!(
                "test --profile tested --package {package} --no-default-features loom_"
            ))
            .variable("RUSTFLAGS", "--cfg thalweg_loom")
            .variable("CARGO_TARGET_DIR", project.target.join("loom"))
        };
        needs_tests(project, tests(), "test whose name begins with loom_")?;
        tests().run(project)?;
    }
    Ok(())
}
