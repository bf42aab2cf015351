//! Programs that Go builds.

use super::{has_program, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs;
use std::path::{Path, PathBuf};

const REMEDY: &str = "there is no program `go`, 1.25 or later, of https://go.dev";

/// A program that `go install` builds of a module with a version.
pub(super) struct GoProgram {
    pub(super) name: &'static str,
    pub(super) module: &'static str,
    /// Directory in `target/services`.
    pub(super) dir: &'static str,
    /// An argument with which it succeeds and ends.
    pub(super) succeeds_with: &'static str,
}

pub(super) const NATS: GoProgram = GoProgram {
    name: "nats-server",
    module: "github.com/nats-io/nats-server/v2@v2.15.2",
    dir: "nats",
    succeeds_with: "--version",
};

/// A server for the S3 protocol.
pub(super) const GOFAKES3: GoProgram = GoProgram {
    name: "gofakes3",
    module: "github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0",
    dir: "gofakes3",
    succeeds_with: "-help",
};

impl GoProgram {
    pub(super) fn is_installed(&self, project: &Project) -> bool {
        self.folder(project).join(self.name).is_file()
            || has_program(project, self.name, self.succeeds_with)
    }

    pub(super) fn install(&self, project: &Project) -> Result<(), Stop> {
        needs_go(project)?;
        let folder = self.folder(project);
        fs::create_dir_all(&folder).map_err(refused(&folder))?;
        go_in(Path::new("."))
            .args(["install", self.module].map(Into::into))
            .variable("GOBIN", folder)
            .run(project)?;
        Ok(())
    }

    fn folder(&self, project: &Project) -> PathBuf {
        project.target.join("services").join(self.dir)
    }
}

/// `go`, run in a folder.
pub(super) fn go_in(folder: &Path) -> Invocation {
    Invocation::program("go", "-C").arg(folder)
}

/// Skips what cannot be built without Go.
pub(super) fn needs_go(project: &Project) -> Result<(), Stop> {
    match has_program(project, "go", "version") {
        true => Ok(()),
        false => Err(Stop::Skipped(REMEDY.to_owned())),
    }
}
