//! Tests of the Python package.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::ffi::OsStr;
use std::fs;

/// Directories with Python code.
const SOURCES: &str = "python benches/python";

pub(super) fn lint(project: &Project) -> Result<(), Stop> {
    let ruff = Environment::with_tools(project)?.tool("ruff");
    // Runs both, even if the first fails.
    let formatted = Invocation::program(&ruff, "format --check --quiet --diff")
        .args(SOURCES.split(' ').map(Into::into))
        .run(project);
    let checked = Invocation::program(&ruff, "check --quiet")
        .args(SOURCES.split(' ').map(Into::into))
        .run(project);
    formatted?;
    Ok(checked?)
}

pub(super) fn wheel(project: &Project) -> Result<(), Stop> {
    let python = Environment::with_wheel(project)?;
    // Outside of the sources, so that the installed package is imported.
    Ok(python
        .run("-I -c")
        .arg("import thalweg; print('thalweg', thalweg.__version__)")
        .run(project)?)
}

pub(super) fn sdist(project: &Project) -> Result<(), Stop> {
    Environment::with_tools(project)?.build_from_sdist(project)
}

pub(super) fn types(project: &Project) -> Result<(), Stop> {
    let python = Environment::with_wheel(project)?;
    let checked = python.run("-m mypy --no-error-summary").run(project);
    let built = python
        .run("-m mypy.stubtest --mypy-config-file pyproject.toml thalweg._thalweg")
        .run(project);
    let derived = python.run("-I python/stubs --check").run(project);
    checked?;
    built?;
    Ok(derived?)
}

/// Minimum share of exported names with a type known to pyright, in percent.
const KNOWN: f64 = 95.0;

pub(super) fn pyright(project: &Project) -> Result<(), Stop> {
    let package = Environment::with_wheel(project)?;
    let tools = Environment::for_pyright(project)?;
    let pyright = |args| {
        let invocation = Invocation::program(tools.tool("pyright"), args);
        // Uses the packages of the first interpreter.
        Ok::<_, Stop>(invocation.variable("PATH", package.path()?))
    };
    pyright("--project python/tests/typed")?.run(project)?;
    let said = pyright("--verifytypes thalweg --ignoreexternal")?.read_either_way(project)?;
    let part = said.lines().find_map(|line| {
        let part = line.strip_prefix("Type completeness score: ")?;
        part.trim_end_matches('%').parse::<f64>().ok()
    });
    match part {
        Some(part) if part >= KNOWN => {
            println!("it knows {part} %");
            Ok(())
        }
        _ => {
            println!("{said}");
            let part = part.map_or("nothing".into(), |part| format!("{part} %"));
            Err(Stop::Failed(format!(
                "pyright knows {part}, where it should {KNOWN} %"
            )))
        }
    }
}

pub(super) fn site(project: &Project) -> Result<(), Stop> {
    let site = Environment::for_site(project)?.build_site(project)?;
    let mut folders = vec![site];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| Stop::Failed(format!("{}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("html")) {
                let page = fs::read_to_string(&path).map_err(unreadable)?;
                if let Some(foreign) = FOREIGN.iter().find(|foreign| page.contains(*foreign)) {
                    let path = path.display();
                    return Err(Stop::Failed(format!(
                        "{path} loads from elsewhere: {foreign}…"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Patterns in pages that load something from another host.
const FOREIGN: [&str; 3] = [
    r#"src="http"#,
    r#"rel="stylesheet" href="http"#,
    r#"src="//"#,
];

/// Builds the wheel, the same for all versions of Python.
pub(super) fn build(project: &Project) -> Result<(), Stop> {
    Environment::with_wheel(project).map(drop)
}

pub(super) fn streamz(project: &Project) -> Result<(), Stop> {
    let python = Environment::with_wheel(project)?;
    Ok(python
        .run("-I python/tests/peer --unoptimized")
        .run(project)?)
}
