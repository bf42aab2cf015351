//! The floors of `thalweg`: its modules use what is below them, and never what is above.

use crate::project::Project;
use crate::step::Stop;
use std::path::Path;

/// From the ground up. Those of one floor may use each other.
const FLOORS: [&[&str]; 5] = [
    &[
        "ack", "callback", "debug", "failure", "interval", "sync", "trace",
    ],
    &["runtime"],
    &["graph", "operator"],
    &["stream"],
    &["ops", "source"],
];

pub(super) fn floors(project: &Project) -> Result<(), Stop> {
    let root = project.root.join("crates/thalweg/src");
    let mut faults = Vec::new();
    for (floor, modules) in FLOORS.iter().enumerate() {
        for module in *modules {
            let file = root.join(module).with_extension("rs");
            let files = if file.exists() {
                Ok(vec![file])
            } else {
                sources(&root.join(module))
            };
            let files = files.map_err(|error| failed(&root.join(module), &error))?;
            for file in files {
                let text = std::fs::read_to_string(&file).map_err(|error| failed(&file, &error))?;
                let path = file.strip_prefix(&project.root).unwrap_or(&file);
                let names = used(&text).into_iter().filter(|name| !may_use(floor, name));
                faults.extend(names.map(|name| format!("{} uses `{name}`", path.display())));
            }
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "what is above is used below; name things by their own module: {}",
        faults.join(", ")
    )))
}

fn failed(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("{}: {error}", path.display()))
}

/// Whether a module of a floor may use a name of the crate's root. What is exported there comes from all floors.
fn may_use(floor: usize, name: &str) -> bool {
    floor == FLOORS.len() - 1
        || FLOORS[..=floor]
            .iter()
            .any(|modules| modules.contains(&name))
}

/// The sources below a folder, but for tests.
fn sources(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if !name.ends_with("tests") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Modules named after `crate::` in a file's code, without comments and tests.
fn used(text: &str) -> Vec<String> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(rest) => rest.split('}').next().unwrap_or(rest),
            None => rest,
        };
        let several = rest.starts_with('{');
        let parts = list.split(',').take(if several { usize::MAX } else { 1 });
        let names_of = |part: &str| {
            let part = part.trim_start();
            let end = part.find(|c: char| !c.is_alphanumeric() && c != '_');
            part[..end.unwrap_or(part.len())].to_owned()
        };
        names.extend(parts.map(names_of).filter(|name| !name.is_empty()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{may_use, used};

    #[test]
    fn imports_are_found_in_any_form() {
        let text = "//! See [`crate::stream`].\nuse crate::graph::Pass;\nuse crate::{\n    Stream,\n    ops,\n};\n\
                    fn f() -> crate::Never {}\n#[cfg(test)]\nmod tests {\n    use crate::source;\n}\n";
        assert_eq!(used(text), ["graph", "Stream", "ops", "Never"]);
    }

    #[test]
    fn no_module_uses_a_higher_layer() {
        assert!(may_use(2, "graph"));
        assert!(may_use(2, "sync"));
        assert!(!may_use(2, "stream"));
        assert!(!may_use(2, "Stream"));
        assert!(may_use(4, "Stream"));
    }
}
