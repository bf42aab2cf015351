//! Locations of the project.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

pub(crate) struct Project {
    /// Directory of the workspace.
    pub root: PathBuf,
    /// Target directory of cargo.
    pub target: PathBuf,
    /// Environment variables of all programs started from now on.
    pub variables: RefCell<Vec<(&'static str, String)>>,
}

impl Project {
    pub(crate) fn locate() -> Self {
        // Cargo sets the variable when it runs this program; otherwise the path of the build is used.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = ancestor(Path::new(&manifest), 2).unwrap_or_else(|| PathBuf::from("."));
        // This program is `debug/xtask` in the configured target directory.
        let target = std::env::current_exe()
            .ok()
            .and_then(|program| ancestor(&program, 2));
        let target = target.unwrap_or_else(|| root.join("target"));
        Self {
            root,
            target,
            variables: RefCell::default(),
        }
    }
}

fn ancestor(path: &Path, levels: usize) -> Option<PathBuf> {
    path.ancestors().nth(levels).map(Path::to_owned)
}
