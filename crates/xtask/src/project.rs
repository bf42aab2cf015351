//! Where the project is.

use std::path::{Path, PathBuf};

pub(crate) struct Project {
    /// The workspace's directory.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
}

impl Project {
    pub(crate) fn locate() -> Self {
        // Cargo sets the variable when it runs this program; the path from the build is for who starts it by hand.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = ancestor(Path::new(&manifest), 2).unwrap_or_else(|| PathBuf::from("."));
        // This program is `target/debug/xtask`, wherever configuration has put the target directory.
        let target = std::env::current_exe()
            .ok()
            .and_then(|program| ancestor(&program, 2));
        let target = target.unwrap_or_else(|| root.join("target"));
        Self { root, target }
    }
}

fn ancestor(path: &Path, levels: usize) -> Option<PathBuf> {
    path.ancestors().nth(levels).map(Path::to_owned)
}
