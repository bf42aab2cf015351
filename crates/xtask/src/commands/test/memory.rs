//! Tests of unsafe code under valgrind.

use super::needs_tests;
use super::tests::WORKSPACE;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::process::{Command, Stdio};

/// "Possibly lost" blocks do not count: the test harness's main thread is sometimes reported as one.
const RUNNER: &str = r#"target."cfg(all())".runner=["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--error-exitcode=1"]"#;

pub(super) fn valgrind(project: &Project) -> Result<(), Stop> {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        return Err(Stop::Skipped("valgrind is not installed".to_owned()));
    }
    let tests = || Invocation::cargo(WORKSPACE).args(["--lib".into(), "cell_".into()]);
    needs_tests(project, tests(), "test whose name begins with cell_")?;
    Ok(tests().arg("--config").arg(RUNNER).run(project)?)
}
