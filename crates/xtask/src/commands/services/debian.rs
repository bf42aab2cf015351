//! Debian's packages of servers and of a browser, unpacked without being installed, which needs no privileges.

use super::{has_program, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Packages, and a file of each below `/usr`.
const PACKAGES: [(&str, &str); 7] = [
    ("mosquitto", "sbin/mosquitto"),
    ("redis-server", "bin/redis-server"),
    ("vsftpd", "sbin/vsftpd"),
    ("nginx", "sbin/nginx"),
    (
        "libnginx-mod-http-dav-ext",
        "lib/nginx/modules/ngx_http_dav_ext_module.so",
    ),
    ("openssh-server", "sbin/sshd"),
    (CHROMIUM, "lib/chromium/chromium"),
];

const CHROMIUM: &str = "chromium";

/// Browsers that serve as well.
const CHROMIUMS: [&str; 3] = ["chromium-browser", "google-chrome", "google-chrome-stable"];

/// Whether all are there.
pub(super) fn is_installed(project: &Project) -> bool {
    missing(project).is_empty()
}

/// The packages whose files are neither installed nor unpacked.
pub(super) fn missing(project: &Project) -> Vec<&'static str> {
    let roots = [folder(project).join("usr"), PathBuf::from("/usr")];
    let is_there = |file: &str| roots.iter().any(|root| root.join(file).is_file());
    let mut missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, file)| !is_there(file))
        .map(|(package, _)| *package)
        .collect();
    if CHROMIUMS.map(|name| has_program(project, name, "--version")) != [false; 3] {
        missing.retain(|package| *package != CHROMIUM);
    }
    missing
}

/// Downloads and unpacks the missing ones, with the libraries that the system lacks.
pub(super) fn install(project: &Project) -> Result<(), Stop> {
    let missing = missing(project);
    if !has_program(project, "apt-get", "--version") {
        let names = missing.join(" and ");
        return Err(Stop::Skipped(format!(
            "this system has no `apt-get`: install {names} as it does"
        )));
    }
    let root = folder(project);
    let files = Apt::of_system(&root).download(project, &missing);
    let files = files.or_else(|_| {
        println!("again, with the archive's present lists of packages");
        Apt::with_new_lists(project, &root)?.download(project, &missing)
    })?;
    for file in files {
        Invocation::program("dpkg", "-x")
            .arg(file)
            .arg(&root)
            .run(project)?;
    }
    Ok(())
}

fn folder(project: &Project) -> PathBuf {
    project.target.join("services/debian")
}

/// `apt-get` with a folder for the packages.
struct Apt {
    packages: PathBuf,
    options: Vec<OsString>,
}

impl Apt {
    fn of_system(root: &Path) -> Self {
        Self {
            packages: root.join("packages"),
            options: Vec::new(),
        }
    }

    /// With lists of its own. The system's may be missing or name versions that are gone, and only an administrator can
    /// update them.
    fn with_new_lists(project: &Project, root: &Path) -> Result<Self, Stop> {
        let mut apt = Self::of_system(root);
        for (option, name) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
            let folder = root.join(name);
            fs::create_dir_all(&folder).map_err(refused(&folder))?;
            apt.options.push("-o".into());
            apt.options
                .push(format!("{option}={}", folder.display()).into());
        }
        apt.get("update -qq").run(project)?;
        Ok(apt)
    }

    fn get(&self, arguments: &str) -> Invocation {
        Invocation::program("env", "-C")
            .arg(&self.packages)
            .arg("apt-get")
            .args(arguments.split(' ').map(Into::into))
            .args(self.options.iter().cloned())
    }

    /// The files of packages and of what they depend on.
    fn download(&self, project: &Project, names: &[&str]) -> Result<Vec<PathBuf>, Stop> {
        fs::create_dir_all(&self.packages).map_err(refused(&self.packages))?;
        let wanted = self
            .get("install --print-uris -qq --no-install-recommends")
            .args(names.iter().map(Into::into))
            .read(project)?;
        let wanted: Vec<Package<'_>> = packages_of(&wanted).collect();
        // Verifies downloads against Debian's signed index.
        self.get("download -qq")
            .args(wanted.iter().map(|package| package.name.into()))
            .run(project)?;
        let files = wanted
            .iter()
            .map(|package| self.packages.join(package.file));
        Ok(files.collect())
    }
}

/// A package to download.
#[derive(Debug, PartialEq)]
struct Package<'a> {
    name: &'a str,
    file: &'a str,
}

/// Parses lines like `'http://…/x_1_amd64.deb' x_1_amd64.deb 1234 SHA256:…`; some archives have no checksum there.
fn packages_of(lines: &str) -> impl Iterator<Item = Package<'_>> {
    lines.lines().filter_map(|line| {
        let mut words = line.strip_prefix('\'')?.split_whitespace();
        let file = words.nth(1).filter(|file| !file.contains('/'))?;
        let (name, _) = file.split_once('_')?;
        Some(Package { name, file })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_list_of_apt_is_parsed() {
        let lines = "Reading package lists...\n\
            'http://a/b/x_1%3a2_all.deb' x_1%3a2_all.deb 12 SHA256:ab\n\
            'http://a/b/y-z_1_all.deb' y-z_1_all.deb 12 \n";
        let package = |name, file| Package { name, file };
        assert!(packages_of(lines).eq([
            package("x", "x_1%3a2_all.deb"),
            package("y-z", "y-z_1_all.deb")
        ]));
    }
}
