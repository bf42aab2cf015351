//! Python, in virtual environments in the target directory.

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The oldest minor version of Python 3 that thalweg runs on.
const OLDEST: u32 = 10;

/// Requirements of the tests, besides thalweg.
const TEST_REQUIREMENTS: &str = "python/tests/requirements.txt";

/// Requirements of the documentation site.
const SITE_REQUIREMENTS: &str = "python/site/requirements.txt";

/// Requirements of pyright.
const PYRIGHT_REQUIREMENTS: &str = "python/tests/typed/requirements.txt";

/// Requirements for building wheels for other platforms.
const WHEEL_REQUIREMENTS: &str = "python/wheels/requirements.txt";

/// A program that succeeds if two wheels hold the same, but for the moment at which they were built, in the list of
/// what they were built of. The variable `SOURCE_DATE_EPOCH` would make wheels equal, and have cargo build all again
/// that compiles C.
const COMPARE_WHEELS: &str = "
import sys, zipfile

def contents(path):
    files = zipfile.ZipFile(path).infolist()
    return {file.filename: file.CRC for file in files if not file.filename.endswith(('.cyclonedx.json', '/RECORD'))}

sys.exit(contents(sys.argv[1]) != contents(sys.argv[2]))
";

/// A virtual environment with its requirements. It is reused until they change.
pub(crate) struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// The environment with the tools and the test requirements, without thalweg.
    pub(crate) fn with_tools(project: &Project) -> Result<Self, Stop> {
        Self::with(project, &interpreter(project)?, "", TEST_REQUIREMENTS)
    }

    /// The environment in which the site of the documentation is built.
    pub(crate) fn for_site(project: &Project) -> Result<Self, Stop> {
        Self::with(project, &interpreter(project)?, "site-", SITE_REQUIREMENTS)
    }

    /// The environment in which pyright runs.
    pub(crate) fn for_pyright(project: &Project) -> Result<Self, Stop> {
        Self::with(
            project,
            &interpreter(project)?,
            "pyright-",
            PYRIGHT_REQUIREMENTS,
        )
    }

    /// The environment in which the wheels of a release are built.
    pub(crate) fn for_wheels(project: &Project) -> Result<Self, Stop> {
        Self::with(
            project,
            &interpreter(project)?,
            "wheels-",
            WHEEL_REQUIREMENTS,
        )
    }

    /// The environment of another Python 3, with the test requirements and the latest wheel.
    pub(crate) fn of_minor(project: &Project, minor: u32) -> Result<Self, Stop> {
        let python = interpreter_of(project, minor)?;
        let environment = Self::with(project, &python, "", TEST_REQUIREMENTS)?;
        environment.install_wheel(project)?;
        Ok(environment)
    }

    fn with(
        project: &Project,
        python: &Interpreter,
        prefix: &str,
        requirements: &str,
    ) -> Result<Self, Stop> {
        let name = format!("{prefix}{}", python.tag);
        let environment = Self {
            directory: project.target.join("python").join(name),
        };
        if !environment.python().is_file() {
            Invocation::program(&python.path, "-m venv --clear")
                .arg(&environment.directory)
                .run(project)?;
        }
        environment.install(project, requirements)?;
        Ok(environment)
    }

    /// Builds the site of the documentation; a broken link is an error.
    pub(crate) fn build_site(&self, project: &Project) -> Result<PathBuf, Stop> {
        let site = project.target.join("site");
        self.run("-I -m mkdocs build --quiet --strict --site-dir")
            .arg(&site)
            // No compiled files in the sources.
            .variable("PYTHONDONTWRITEBYTECODE", "1")
            .run(project)?;
        Ok(site)
    }

    /// The environment with thalweg, in a build for tests: fast to compile, with debug assertions.
    pub(crate) fn with_wheel(project: &Project) -> Result<Self, Stop> {
        Self::with_wheel_of(project, "dev")
    }

    /// The environment with thalweg, in a release build.
    pub(crate) fn with_released_wheel(project: &Project) -> Result<Self, Stop> {
        Self::with_wheel_of(project, "release")
    }

    /// The environment with thalweg as `pip install .` builds it: in half the time; elements take up to a fifth longer.
    pub(crate) fn with_source_wheel(project: &Project) -> Result<Self, Stop> {
        Self::with_wheel_of(project, "source")
    }

    fn with_wheel_of(project: &Project, profile: &str) -> Result<Self, Stop> {
        let environment = Self::with_tools(project)?;
        let wheels = project.target.join("wheels");
        // No wheels of other versions.
        remove_directory(&wheels)?;
        Invocation::program(environment.tool("maturin"), "build --locked --quiet --out")
            .arg(&wheels)
            .args(["--profile", profile].map(Into::into))
            .arg("--interpreter")
            .arg(environment.python())
            .variable("CARGO_TARGET_DIR", &project.target)
            .run(project)?;
        environment.install_wheel(project)?;
        Ok(environment)
    }

    /// Installs the latest wheel, unless it is installed.
    fn install_wheel(&self, project: &Project) -> Result<(), Stop> {
        let wheel = only_file(&project.target.join("wheels"), "whl")?;
        let installed = self.directory.join("installed.whl");
        let compared = self.run("-I -c").arg(COMPARE_WHEELS);
        if !installed.is_file() || !compared.arg(&wheel).arg(&installed).succeeds(project) {
            self.pip("install --force-reinstall --no-deps")
                .arg(&wheel)
                .run(project)?;
            fs::copy(&wheel, &installed).map_err(|error| failed(&installed, &error))?;
        }
        Ok(())
    }

    /// Builds a wheel from a source distribution.
    pub(crate) fn build_from_sdist(&self, project: &Project) -> Result<(), Stop> {
        let directory = project.target.join("sdist");
        remove_directory(&directory)?;
        Invocation::program(self.tool("maturin"), "sdist --out")
            .arg(&directory)
            .run(project)?;
        let archive = only_file(&directory, "gz")?;
        self.run("-m tarfile --extract")
            .arg(&archive)
            .arg(&directory)
            .run(project)?;
        // The archive is named for the folder in it.
        let sources = archive.with_extension("").with_extension("");
        Invocation::program(self.tool("maturin"), "build --quiet --manifest-path")
            .arg(sources.join("crates/thalweg-python/Cargo.toml"))
            .args(["--profile", "dev"].map(Into::into))
            .arg("--out")
            .arg(directory.join("wheels"))
            .arg("--interpreter")
            .arg(self.python())
            .variable("CARGO_TARGET_DIR", &project.target)
            .run(project)?;
        only_file(&directory.join("wheels"), "whl").map(drop)
    }

    /// Installs the requirements of a file, unless they are installed.
    pub(crate) fn install(&self, project: &Project, requirements: &str) -> Result<(), Stop> {
        let wanted = project.root.join(requirements);
        let done = self.directory.join(requirements.replace('/', "-"));
        if same_contents(&wanted, &done) {
            return Ok(());
        }
        self.pip("install --requirement")
            .arg(&wanted)
            .run(project)?;
        fs::copy(&wanted, &done).map_err(|error| failed(&done, &error))?;
        Ok(())
    }

    /// The environment's interpreter, with these arguments.
    pub(crate) fn run(&self, args: &str) -> Invocation {
        Invocation::program(self.python(), args)
    }

    /// A program of the environment.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.programs()
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    fn python(&self) -> PathBuf {
        self.tool("python")
    }

    /// The variable PATH, with the environment's programs first.
    ///
    /// # Errors
    /// The value cannot be represented.
    pub(crate) fn path(&self) -> Result<OsString, Stop> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.programs()).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).map_err(|error| Stop::Failed(format!("PATH: {error}")))
    }

    fn programs(&self) -> PathBuf {
        self.directory
            .join(if cfg!(windows) { "Scripts" } else { "bin" })
    }

    fn pip(&self, args: &str) -> Invocation {
        self.run("-m pip --quiet --disable-pip-version-check")
            .args(args.split(' ').map(Into::into))
    }
}

/// An interpreter, and the name of its environments.
struct Interpreter {
    path: PathBuf,
    tag: String,
}

/// The interpreter in the variable `PYTHON`, or `python3`.
fn interpreter(project: &Project) -> Result<Interpreter, Stop> {
    let path = std::env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    interpreter_at(project, &path)
}

/// The interpreter of a minor version: `python3.N`, or the newest that pyenv has installed.
fn interpreter_of(project: &Project, minor: u32) -> Result<Interpreter, Stop> {
    let name = format!("python3.{minor}");
    let mut paths = vec![PathBuf::from(&name)];
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    if let Some(pyenv) = pyenv.or_else(|| Some(std::env::home_dir()?.join(".pyenv"))) {
        let prefix = format!("3.{minor}.");
        let versions = fs::read_dir(pyenv.join("versions")).into_iter().flatten();
        let versions = versions.filter_map(|entry| entry.ok());
        let mut of_minor: Vec<_> = versions
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path().join("bin/python"))
            .collect();
        of_minor.sort();
        paths.extend(of_minor.into_iter().rev());
    }
    let works = |path: &&PathBuf| Invocation::program(path, "--version").succeeds(project);
    match paths.iter().find(works) {
        Some(path) => interpreter_at(project, path),
        None => Err(Stop::Skipped(format!("there is no `{name}`"))),
    }
}

fn interpreter_at(project: &Project, path: &Path) -> Result<Interpreter, Stop> {
    let show = r#"import sys; print(sys.implementation.cache_tag, sys.version_info.minor, sys.executable)"#;
    let ask = || Invocation::program(path, "-c").arg(show);
    if !ask().succeeds(project) {
        return Err(Stop::Skipped(format!(
            "`{}` does not run; Python 3.{OLDEST} or newer is needed, and the variable PYTHON says which",
            path.display()
        )));
    }
    let answer = ask().read_quietly(project)?;
    let mut words = answer.trim_end().splitn(3, ' ');
    let (Some(tag), Some(minor), Some(path)) = (words.next(), words.next(), words.next()) else {
        return Err(Stop::Failed(format!("Python says `{}`", answer.trim_end())));
    };
    if minor.parse::<u32>().is_ok_and(|minor| minor < OLDEST) {
        return Err(Stop::Skipped(format!(
            "{path} is Python 3.{minor}; 3.{OLDEST} or newer is needed"
        )));
    }
    Ok(Interpreter {
        path: path.into(),
        tag: tag.to_owned(),
    })
}

/// The file with this extension.
fn only_file(directory: &Path, extension: &str) -> Result<PathBuf, Stop> {
    let entries = fs::read_dir(directory).map_err(|error| failed(directory, &error))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension() == Some(OsStr::new(extension)))
        .ok_or_else(|| {
            Stop::Failed(format!(
                "there is no .{extension} in {}",
                directory.display()
            ))
        })
}

fn remove_directory(path: &Path) -> Result<(), Stop> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// Whether both files exist and are equal.
fn same_contents(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

fn failed(path: &Path, error: &io::Error) -> Stop {
    Stop::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_by_content() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (manifest, main) = (here.join("Cargo.toml"), here.join("src/main.rs"));
        assert!(same_contents(&manifest, &manifest));
        assert!(!same_contents(&manifest, &main));
        assert!(!same_contents(&manifest, &here.join("missing")));
        assert!(!same_contents(&here.join("missing"), &here.join("missing")));
    }

    #[test]
    fn removing_a_missing_file_succeeds() {
        let missing = Path::new(env!("CARGO_MANIFEST_DIR")).join("missing");
        remove_directory(&missing).expect("there is nothing to fail on");
        let message = format!(
            "{:?}",
            only_file(&missing, "whl").expect_err("it is missing")
        );
        assert!(message.contains("missing"), "{message}");
    }
}
