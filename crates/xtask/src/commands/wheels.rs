//! `cargo xtask wheels`

use super::give_up;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use crate::target::Target;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Build the wheels of a release, and check them: for x86-64 and ARM, with glibc 2.28 or newer and with musl 1.2 or newer.

Usage: cargo xtask wheels [--check | TARGET...]

Arguments:
  [TARGET]...  Build for these targets only, by their names for Rust's compiler

Options:
      --check  Only check whether the package compiles for macOS and Windows
  -h, --help   Print this help

Zig, which compiles C code, comes from Python's package index. Targets without an installed standard library (`rustup target
add`) are left out, and named.
";

/// The requested wheels.
#[derive(Debug, PartialEq)]
pub(crate) enum Order {
    /// Targets; all if empty.
    Build(Vec<String>),
    Check,
}

struct Wheel {
    target: Target,
    /// Supported systems, as platform tags.
    platform: &'static str,
}

const WHEELS: [Wheel; 4] = [
    Wheel {
        target: Target {
            rust: "x86_64-unknown-linux-gnu",
            zig: "x86_64-linux-gnu.2.28",
        },
        platform: "manylinux_2_28",
    },
    Wheel {
        target: Target {
            rust: "aarch64-unknown-linux-gnu",
            zig: "aarch64-linux-gnu.2.28",
        },
        platform: "manylinux_2_28",
    },
    Wheel {
        target: Target {
            rust: "x86_64-unknown-linux-musl",
            zig: "x86_64-linux-musl",
        },
        platform: "musllinux_1_2",
    },
    Wheel {
        target: Target {
            rust: "aarch64-unknown-linux-musl",
            zig: "aarch64-linux-musl",
        },
        platform: "musllinux_1_2",
    },
];

const OTHER_SYSTEMS: [Target; 2] = [
    Target {
        rust: "aarch64-apple-darwin",
        zig: "aarch64-macos",
    },
    Target {
        rust: "x86_64-pc-windows-gnu",
        zig: "x86_64-windows-gnu",
    },
];

/// Whether wheels are built for a target.
pub(crate) fn is_known(target: &str) -> bool {
    WHEELS.iter().any(|wheel| wheel.target.rust == target)
}

/// The targets of wheels.
pub(crate) fn known() -> String {
    WHEELS.map(|wheel| wheel.target.rust).join(", ")
}

pub(crate) fn run(project: &Project, order: &Order) -> ExitCode {
    let done = match order {
        Order::Build(targets) => build_all(project, targets),
        Order::Check => check_all(project),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => give_up(&stop),
    }
}

fn build_all(project: &Project, wanted: &[String]) -> Result<(), Stop> {
    let tools = Environment::for_wheels(project)?;
    let is_wanted = |wheel: &&Wheel| {
        wanted.is_empty() || wanted.iter().any(|target| target == wheel.target.rust)
    };
    let mut built = Vec::new();
    for wheel in WHEELS.iter().filter(is_wanted) {
        if is_there(project, &wheel.target) {
            built.push(build(project, &tools, wheel)?);
        }
    }
    if built.is_empty() {
        return Err(Stop::Failed("no wheel was built".into()));
    }
    tools
        .run("-I -m twine check --strict")
        .args(built.iter().map(Into::into))
        .run(project)?;
    for wheel in built {
        println!("{}", wheel.display());
    }
    Ok(())
}

/// Says so if it is not.
fn is_there(project: &Project, target: &Target) -> bool {
    let is_installed = target.is_installed(project);
    if !is_installed {
        let target = target.rust;
        println!("left out: {target}; `rustup target add {target}` brings its standard library");
    }
    is_installed
}

fn build(project: &Project, tools: &Environment, wheel: &Wheel) -> Result<PathBuf, Stop> {
    let target = wheel.target.rust;
    let folder = project.target.join("dist").join(target);
    let maturin = Invocation::program(
        tools.tool("maturin"),
        "build --release --locked --zig --target",
    )
    .args([target, "--compatibility", wheel.platform, "--interpreter"].map(Into::into))
    .arg(tools.tool("python"))
    .arg("--out")
    .arg(&folder)
    .variable("CARGO_TARGET_DIR", project.target.join("for-wheels"));
    wheel
        .target
        .compiles_c(project, tools, maturin)?
        .run(project)?;
    let file = only_wheel(&folder)?;
    let shown = tools
        .run("-I -m auditwheel show")
        .arg(&file)
        .read(project)?;
    // Its output is wrapped at any column.
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    println!("{shown}");
    if !shown.contains(&format!("\"{}_", wheel.platform)) {
        let message = format!("{}: it is no {}", file.display(), wheel.platform);
        return Err(Stop::Failed(message));
    }
    Ok(file)
}

/// The only wheel in a folder.
fn only_wheel(folder: &std::path::Path) -> Result<PathBuf, Stop> {
    let entries = std::fs::read_dir(folder);
    let entries =
        entries.map_err(|error| Stop::Failed(format!("{}: {error}", folder.display())))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| Stop::Failed(format!("there is no wheel in {}", folder.display())))
}

fn check_all(project: &Project) -> Result<(), Stop> {
    let tools = Environment::for_wheels(project)?;
    let mut checked = 0;
    for target in &OTHER_SYSTEMS {
        if !is_there(project, target) {
            continue;
        }
        let check = Invocation::program(
            tools.tool("cargo-zigbuild"),
            "check --locked -p thalweg-python --target",
        )
        .arg(target.rust)
        .variable("CARGO_TARGET_DIR", project.target.join("for-wheels"))
        .variable("RUSTFLAGS", "-D warnings");
        target.compiles_c(project, &tools, check)?.run(project)?;
        checked += 1;
    }
    if checked == 0 {
        return Err(Stop::Failed("nothing was checked".into()));
    }
    Ok(())
}
