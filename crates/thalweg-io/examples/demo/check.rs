//! Commands that check a result with another tool.

use std::path::Path;

/// The command that runs one of the programs beside this file.
pub(crate) fn awk(program: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo");
    format!("LC_ALL=C awk -f {}", quoted(&here.join(program)))
}

/// A path as a word of a shell command.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    // What begins with a dash would be taken for an option, what has an equals sign for a variable.
    let text = match path.is_absolute() {
        true => text,
        false => format!("./{text}"),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Runs a command, and compares what it prints.
#[cfg(test)]
pub(crate) fn assert_prints(command: &str, expected: &str) {
    let shell = |line: &str| std::process::Command::new("sh").args(["-c", line]).output();
    if !shell("command -v awk").is_ok_and(|found| found.status.success()) {
        eprintln!("skipped: there is no awk to check with");
        return;
    }
    let output = shell(command).expect("there is a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{stderr}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{command}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_one_word_and_never_an_option() {
        assert_eq!(quoted(Path::new("/tmp/a b")), "'/tmp/a b'");
        assert_eq!(quoted(Path::new("a_b.csv")), "./a_b.csv");
        assert_eq!(quoted(Path::new("it's")), r"'./it'\''s'");
        assert_eq!(quoted(Path::new("-x=1")), "'./-x=1'");
    }
}
