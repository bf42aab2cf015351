//! Debian's packages of servers and of a browser, unpacked without being installed, which needs no privileges.

use super::{is_there, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs;
use std::path::Path;

/// Packages, and a file of each below `/usr`.
const PROGRAMS: [(&str, &str); 7] = [
    ("mosquitto", "sbin/mosquitto"),
    ("redis-server", "bin/redis-server"),
    ("vsftpd", "sbin/vsftpd"),
    ("nginx", "sbin/nginx"),
    (
        "libnginx-mod-http-dav-ext",
        "lib/nginx/modules/ngx_http_dav_ext_module.so",
    ),
    ("openssh-server", "sbin/sshd"),
    ("chromium", "lib/chromium/chromium"),
];

/// Downloads and unpacks missing programs, with the libraries that the system lacks.
pub(super) fn bring(project: &Project) -> Result<(), Stop> {
    let root = project.target.join("services/debian");
    let is_missing = |file: &str| {
        let places = [root.join("usr").join(file), Path::new("/usr").join(file)];
        !places.iter().any(|place| place.is_file())
    };
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(_, file)| is_missing(file))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        println!("Mosquitto, Redis, vsftpd, nginx, OpenSSH and Chromium are there");
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
    // The packages to install, with dependencies: file names like `libuv1_1.44.2-1_amd64.deb`.
    let wanted = Invocation::program(
        "apt-get",
        "install --print-uris -qq --no-install-recommends",
    )
    .args(missing.iter().map(Into::into))
    .read(project)?;
    let wanted: Vec<Package<'_>> = packages_of(&wanted).collect();
    // Verifies downloads against Debian's signed index.
    Invocation::program("env", "-C")
        .arg(&packages)
        .args(["apt-get", "download", "-qq"].map(Into::into))
        .args(wanted.iter().map(|package| package.name.into()))
        .run(project)?;
    for package in wanted {
        Invocation::program("dpkg", "-x")
            .arg(packages.join(package.file))
            .arg(&root)
            .run(project)?;
    }
    Ok(())
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
