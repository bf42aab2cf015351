//! The servers to which tests connect.

use crate::commands::services;
use crate::project::Project;
use crate::step::Stop;

/// The variable under which a test without its server fails instead of being skipped.
const REQUIRED: (&str, &str) = ("THALWEG_TEST_SERVERS", "required");

/// Starts Kafka if it is installed, and names what is not.
pub(super) fn find(project: &Project) -> Result<(), Stop> {
    services::start_kafka(project)?;
    let missing = services::missing(project);
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let why =
        format!("`cargo xtask services up` installs what tests are skipped without: {missing}");
    Err(Stop::Skipped(why))
}

/// Installs them; then no test may be skipped for want of one.
pub(super) fn bring(project: &Project) -> Result<(), Stop> {
    services::install(project).map_err(|stop| Stop::Failed(stop.why().to_owned()))?;
    services::start_kafka(project)?;
    let (name, value) = REQUIRED;
    project
        .variables
        .borrow_mut()
        .push((name, value.to_owned()));
    Ok(())
}
