//! NATS, built by Go.

use super::{is_there, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs;

const MODULE: &str = "github.com/nats-io/nats-server/v2@v2.15.2";

/// Builds the server, unless it exists.
pub(super) fn bring(project: &Project) -> Result<(), Stop> {
    let dir = project.target.join("services/nats");
    let program = dir.join("nats-server");
    if program.is_file() || is_there(project, "nats-server", "--version") {
        println!("NATS is there");
        return Ok(());
    }
    if !is_there(project, "go", "version") {
        let why = "there is no program `go`, 1.25 or later, of https://go.dev";
        return Err(Stop::Skipped(why.to_string()));
    }
    fs::create_dir_all(&dir).map_err(refused(&dir))?;
    Invocation::program("go", "install")
        .arg(MODULE)
        .variable("GOBIN", &dir)
        .run(project)?;
    Ok(())
}
