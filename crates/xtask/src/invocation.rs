//! Commands, printed before they run.

use crate::console::{Palette, Style};
use crate::project::Project;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// A program with arguments and environment variables.
pub(crate) struct Invocation {
    program: Program,
    args: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
}

enum Program {
    /// The cargo that runs this program.
    Cargo,
    At(PathBuf),
}

/// Error of an invocation.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Invocation {
    /// `cargo` with these arguments, separated by spaces.
    pub(crate) fn cargo(args: &str) -> Self {
        Self::new(Program::Cargo, args)
    }

    /// The program at this path, or of this name, with these arguments, separated by spaces.
    pub(crate) fn program(path: impl Into<PathBuf>, args: &str) -> Self {
        Self::new(Program::At(path.into()), args)
    }

    fn new(program: Program, args: &str) -> Self {
        Self {
            program,
            args: args.split_whitespace().map(OsString::from).collect(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = OsString>) -> Self {
        self.args.extend(args);
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Prints and runs it with the terminal's input and output. Nothing else is written to standard output, so that it
    /// can be piped.
    pub(crate) fn run_interactively(&self, project: &Project) -> Result<ExitStatus, Failure> {
        eprintln!("$ {self}");
        self.command(project)
            .status()
            .map_err(|error| self.failure(error))
    }

    /// Prints and runs it without input. An unsuccessful exit is an error.
    pub(crate) fn run(&self, project: &Project) -> Result<(), Failure> {
        self.show();
        let status = self
            .command(project)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| self.failure(error))?;
        self.check(status)
    }

    /// Prints and runs it, and returns its standard output.
    pub(crate) fn read(&self, project: &Project) -> Result<String, Failure> {
        self.show();
        self.read_quietly(project)
    }

    /// Runs it without printing it, and returns its standard output.
    pub(crate) fn read_quietly(&self, project: &Project) -> Result<String, Failure> {
        let output = self
            .command(project)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.failure(error))?;
        self.check(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Prints and runs it, and returns its standard output, even if it exits unsuccessfully.
    pub(crate) fn read_either_way(&self, project: &Project) -> Result<String, Failure> {
        self.show();
        let output = self
            .command(project)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.failure(error))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it without output; returns whether it succeeds.
    pub(crate) fn succeeds(&self, project: &Project) -> bool {
        let quiet = self
            .command(project)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success())
    }

    fn command(&self, project: &Project) -> Command {
        let mut command = Command::new(match &self.program {
            Program::Cargo => std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            Program::At(path) => path.into(),
        });
        command.args(&self.args).current_dir(&project.root);
        command.envs(project.variables.borrow().iter().cloned());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn show(&self) {
        println!(
            "{}",
            Palette::detect().paint(Style::Command, format_args!("$ {self}"))
        );
    }

    fn check(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() {
            Ok(())
        } else {
            Err(self.failure(status))
        }
    }

    fn failure(&self, why: impl fmt::Display) -> Failure {
        Failure(format!("`{self}`: {why}"))
    }
}

/// The command in the shell's syntax.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        match &self.program {
            Program::Cargo => f.write_str("cargo")?,
            Program::At(path) => write!(f, "{}", quoted(path.as_os_str()))?,
        }
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(text: &OsStr) -> Cow<'_, str> {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_is_shown_as_typed() {
        let invocation = Invocation::cargo("test --lib")
            .arg("it's")
            .variable("RUSTFLAGS", "--cfg thalweg_loom");
        assert_eq!(
            invocation.to_string(),
            r"RUSTFLAGS='--cfg thalweg_loom' cargo test --lib 'it'\''s'"
        );
        assert_eq!(Invocation::cargo("fmt").arg("").to_string(), "cargo fmt ''");
    }

    #[test]
    fn a_program_is_shown_by_its_path() {
        let invocation = Invocation::program("target/my tools/ruff", "check python");
        assert_eq!(
            invocation.to_string(),
            "'target/my tools/ruff' check python"
        );
    }

    #[test]
    fn a_failure_names_the_command() {
        let unknown = Invocation::cargo("frobnicate");
        assert!(!unknown.succeeds(&Project::locate()));
        assert_eq!(
            unknown.failure("exit status: 101").to_string(),
            "`cargo frobnicate`: exit status: 101"
        );
    }

    #[test]
    fn output_can_be_read() {
        let version = Invocation::cargo("--version")
            .read(&Project::locate())
            .expect("cargo is running this test");
        assert!(version.starts_with("cargo "), "{version}");
    }
}
