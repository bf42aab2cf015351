//! Target platforms, with Zig as the C compiler.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::fs;
use std::path::{Path, PathBuf};

/// A target platform.
pub(crate) struct Target {
    /// Name in Rust.
    pub rust: &'static str,
    /// Name in Zig, with the oldest supported C library.
    pub zig: &'static str,
}

impl Target {
    /// Whether Rust's standard library for it is installed.
    pub(crate) fn is_installed(&self, project: &Project) -> bool {
        is_installed(project, self.rust)
    }

    /// Sets the C compiler of an invocation.
    ///
    /// # Errors
    /// The compiler's wrapper cannot be written, or the variable PATH cannot be extended.
    pub(crate) fn compiles_c(
        &self,
        project: &Project,
        tools: &Environment,
        invocation: Invocation,
    ) -> Result<Invocation, Stop> {
        let folder = project.target.join("zig").join(self.rust);
        let python = tools.tool("python");
        let script = |name: &str, command: String| write_script(&folder, name, &python, &command);
        // The wrappers of `cargo-zigbuild` are for build scripts that use the compiler of a target. Those that
        // run `configure` and `make` use these.
        let invocation = invocation
            .variable("CC", script("cc", format!("cc -target {}", self.zig))?)
            .variable("CXX", script("c++", format!("c++ -target {}", self.zig))?)
            .variable("AR", script("ar", "ar".into())?)
            .variable("RANLIB", script("ranlib", "ranlib".into())?)
            .variable("PATH", tools.path()?);
        Ok(match self.rust.contains("linux") {
            // Lists of exported symbols may contain some that are not built.
            true => invocation.variable("LDFLAGS", "-Wl,--undefined-version"),
            false => invocation,
        })
    }
}

/// Whether Rust's standard library for a target is installed.
pub(crate) fn is_installed(project: &Project, target: &str) -> bool {
    let asked = format!("--print target-libdir --target {target}");
    let folder = Invocation::program("rustc", &asked).read_quietly(project);
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

/// Writes a program that calls Zig.
fn write_script(folder: &Path, name: &str, python: &Path, command: &str) -> Result<PathBuf, Stop> {
    let path = folder.join(name);
    let python = python.display();
    let text = format!("#!/bin/sh\nexec '{python}' -m ziglang {command} \"$@\"\n");
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .and_then(|()| make_executable(&path));
    written.map_err(|error| Stop::Failed(format!("{}: {error}", path.display())))?;
    Ok(path)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> std::io::Result<()> {
    Err(std::io::Error::other(
        "programs for other machines are built on Linux or macOS",
    ))
}
