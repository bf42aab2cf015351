//! Mosquitto and Redis: Debian's packages, unpacked where no right to install them is needed.

use super::{is_there, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs;

/// Packages, their programs, and what each answers to.
const SERVERS: [(&str, &str, &str); 2] = [
    ("mosquitto", "mosquitto", "-h"),
    ("redis-server", "redis-server", "--version"),
];

/// Fetches and unpacks the servers that are not there, with the libraries that they need beside those of the system.
pub(super) fn bring(project: &Project) -> Result<(), Stop> {
    let root = project.target.join("services/debian");
    let is_missing = |program: &str, argument: &str| {
        let places = ["usr/bin", "usr/sbin"].map(|dir| root.join(dir).join(program));
        let installed = format!("/usr/sbin/{program}");
        !(places.iter().any(|place| place.is_file())
            || fs::exists(installed).unwrap_or(false)
            || is_there(project, program, argument))
    };
    let missing: Vec<&str> = SERVERS
        .iter()
        .filter(|(_, program, argument)| is_missing(program, argument))
        .map(|(package, ..)| *package)
        .collect();
    if missing.is_empty() {
        println!("Mosquitto and Redis are there");
        return Ok(());
    }
    if !is_there(project, "apt-get", "--version") {
        let names = missing.join(" and ");
        return Err(Stop::Skipped(format!(
            "this system has no `apt-get`: install {names} as it does"
        )));
    }
    let packages = root.join("packages");
    fs::create_dir_all(&packages).map_err(refused(&packages))?;
    // What would be installed, with everything it needs: file names like `libuv1_1.44.2-1_amd64.deb`.
    let wanted = Invocation::program(
        "apt-get",
        "install --print-uris -qq --no-install-recommends",
    )
    .args(missing.iter().map(Into::into))
    .read(project)?;
    for package in packages_of(&wanted) {
        let url = package.url;
        let file = packages.join(package.file);
        Invocation::program("/usr/lib/apt/apt-helper", "-qq download-file")
            .arg(url)
            .arg(&file)
            .arg(package.hash)
            .run(project)?;
        Invocation::program("dpkg", "-x")
            .arg(&file)
            .arg(&root)
            .run(project)?;
    }
    Ok(())
}

/// A package that is to be fetched.
#[derive(Debug, PartialEq)]
struct Package<'a> {
    url: &'a str,
    file: &'a str,
    hash: &'a str,
}

/// The packages of lines like `'http://…/x_1_amd64.deb' x_1_amd64.deb 1234 SHA256:…`.
fn packages_of(lines: &str) -> impl Iterator<Item = Package<'_>> {
    lines.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Package {
            url: words.next()?.strip_prefix('\'')?.strip_suffix('\'')?,
            file: words.next().filter(|file| !file.contains('/'))?,
            hash: words.nth(1)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_understood() {
        let lines =
            "Reading package lists...\n'http://a/b/x_1%3a2_all.deb' x_1%3a2_all.deb 12 SHA256:ab\n";
        let package = Package {
            url: "http://a/b/x_1%3a2_all.deb",
            file: "x_1%3a2_all.deb",
            hash: "SHA256:ab",
        };
        assert!(packages_of(lines).eq([package]));
    }
}
