use std::env;
use std::error::Error;

/// None, for a test that is skipped for want of a server, which is printed.
///
/// # Errors
///
/// Where servers are required, by `cargo xtask test --servers`.
pub(crate) fn missing<T>(what: &str) -> Result<Option<T>, Box<dyn Error>> {
    if env::var_os("THALWEG_TEST_SERVERS").is_some_and(|value| value == "required") {
        return Err(what.into());
    }
    eprintln!("skipped: {what}");
    Ok(None)
}
