//! Other systems than this one: what is not written for Linux alone is checked for them, without being run.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::path::Path;

/// By their names for the compiler.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// Crates and features that are of use everywhere. Worker processes need Linux; clients for other systems have parts in C,
/// which a compiler for this system does not build.
const CHECKED: [&str; 5] = [
    "thalweg --all-features",
    "thalweg-view",
    "thalweg-frames",
    "thalweg-tasks --no-default-features --features streams",
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

fn is_installed(project: &Project, target: &str) -> bool {
    let asked = format!("--print target-libdir --target {target}");
    let folder = Invocation::program("rustc", &asked).read_quietly(project);
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}
