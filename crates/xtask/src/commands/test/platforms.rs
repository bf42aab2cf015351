//! Other systems: code that is not specific to Linux is checked for them, but not run.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use crate::target::is_installed;

/// Names of the targets.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// Packages without C code, which needs a compiler for the target: `cargo xtask wheels --check` has one.
const CHECKED: [&str; 5] = [
    "thalweg --all-features",
    "thalweg-view",
    "thalweg-frames",
    "thalweg-tasks",
    "thalweg-io",
];

pub(super) fn platforms(project: &Project) -> Result<(), Stop> {
    let (mut checked, mut missing) = (0, Vec::new());
    for target in TARGETS {
        if !is_installed(project, target) {
            missing.push(target);
            continue;
        }
        checked += 1;
        for what in CHECKED {
            let check = format!("check --target {target} -p {what}");
            Invocation::cargo(&check)
                .variable("RUSTFLAGS", "-D warnings")
                .run(project)?;
        }
    }
    match (checked, missing.as_slice()) {
        (_, []) => Ok(()),
        (0, missing) => Err(Stop::Skipped(format!(
            "none of their standard libraries is installed; `rustup target add {}` brings them",
            missing.join(" ")
        ))),
        (_, missing) => {
            println!(
                "not checked, since they are not installed: {}",
                missing.join(", ")
            );
            Ok(())
        }
    }
}
