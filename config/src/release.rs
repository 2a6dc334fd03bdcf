// SPDX-License-Identifier: GPL-3.0-or-later
//! Which release of Samba the programs speak where two releases contradict each other. This is
//! the only place that knows: whoever has to choose asks a method of [`Release`] that names what
//! differs.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::config::Config;
use crate::paths::{Paths, TEST_HELPER_BINDIR};
use crate::report::Report;

/// A release of Samba, 4.17 to 4.25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// 4.
    pub major: u16,
    /// 17 to 25, unless the administrator says something else.
    pub minor: u16,
}

/// The release that this was packaged for.
const PACKAGED: &str = match option_env!("CTDB_SAMBA_RELEASE") {
    Some(release) => release,
    None => "4.22",
};
const REFERENCE: Release = Release::four(22);
const OLDEST: Release = Release::four(17);
const NEWEST: Release = Release::four(25);

/// The last versions that these programs were compared with.
const COMPARED: [(Release, &str); 4] = [
    (OLDEST, "4.17.12"),
    (REFERENCE, "4.22.11"),
    (Release::four(24), "4.24.7"),
    (NEWEST, "4.25.1"),
];

/// Debian's list of installed packages, and the package that is wherever Samba is.
const INSTALLED_PACKAGES: &str = "/var/lib/dpkg/status";
const SAMBA_PACKAGE: &str = "samba-libs";

impl Release {
    const fn four(minor: u16) -> Self {
        Self { major: 4, minor }
    }

    /// `MAJOR.MINOR`; both are small.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }

    /// What is spoken unless `ctdb.conf` says `[interoperation] samba version`: what the variable
    /// `CTDB_SAMBA_RELEASE` says, else the release of the suite that runs us in test mode, else
    /// that of the installed Samba, else the one that this was packaged for.
    pub fn by_default(paths: &Paths) -> Self {
        let variable = |name: &str| std::env::var_os(name);
        Self::told(paths.test_mode(), variable)
            .or_else(|| match paths.test_mode() {
                true => None,
                false => Self::installed(Path::new(INSTALLED_PACKAGES)),
            })
            .or_else(|| Self::parse(PACKAGED))
            .unwrap_or(REFERENCE)
    }

    /// What is spoken: as `ctdb.conf` says, or else by default.
    pub fn in_force(paths: &Paths) -> Self {
        match Config::load(paths, &mut Report::new()) {
            Ok(config) => config.release(paths),
            Err(_) => Self::by_default(paths),
        }
    }

    fn told(test_mode: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let named = variable("CTDB_SAMBA_RELEASE");
        named
            .and_then(|text| Self::parse(text.to_str()?))
            // Suites before 4.25 do not know this variable.
            .or_else(|| (test_mode && variable(TEST_HELPER_BINDIR).is_some()).then_some(NEWEST))
    }

    /// The release of the installed Samba, or the nearest one that is known here.
    fn installed(list: &Path) -> Option<Self> {
        let text = std::fs::read(list).ok()?;
        let text = String::from_utf8_lossy(&text);
        let start = format!("\nPackage: {SAMBA_PACKAGE}\n");
        let (_, rest) = text.split_once(&start)?;
        let paragraph = rest.split("\n\n").next()?;
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        if !field("Status")?.ends_with(" installed") {
            return None;
        }
        // As 2:4.22.11+dfsg-0+deb13u1.
        let version = field("Version")?;
        let upstream = version
            .split_once(':')
            .map_or(version, |(_, upstream)| upstream);
        let numbers: Vec<&str> = upstream.split(['.', '+', '-', '~']).collect();
        let release = Self::parse(&numbers.get(..2)?.join("."))?;
        Some(release.clamp(OLDEST, NEWEST))
    }

    /// The version as `ctdb version` shows it.
    pub fn version(self) -> String {
        let compared = COMPARED.iter().find(|(release, _)| *release == self);
        compared.map_or_else(|| format!("{self}.0"), |(_, version)| (*version).to_owned())
    }

    /// Messages about a line of tunables begin with the file, not with the name of a function.
    pub fn names_file_of_tunables(self) -> bool {
        self >= Self::four(23)
    }

    /// Upstream's `system_socket_test` shows announcements with the header of the link layer, which
    /// the kernel writes since 4.25.
    pub fn shows_link_header_of_announcements(self) -> bool {
        self < Self::four(25)
    }

    /// `ctdb event script list` names the directory of scripts that is missing.
    pub fn names_missing_script_directory(self) -> bool {
        self >= Self::four(24)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tells_counts_in_order() {
        let told = |test_mode, variables: &[(&str, &str)]| {
            Release::told(test_mode, |name| {
                let found = variables.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| value.into())
            })
        };
        let (release, folder) = (("CTDB_SAMBA_RELEASE", "4.24"), (TEST_HELPER_BINDIR, "/bin"));
        assert_eq!(told(true, &[]), None);
        assert_eq!(told(true, &[folder]), Some(NEWEST));
        assert_eq!(told(false, &[folder]), None);
        assert_eq!(told(false, &[release]), Some(Release::four(24)));
        assert_eq!(told(true, &[folder, release]), Some(Release::four(24)));
        assert_eq!(told(true, &[("CTDB_SAMBA_RELEASE", "new")]), None);
    }

    #[test]
    fn the_installed_samba_is_found_in_the_list_of_packages() {
        let list = std::env::temp_dir().join(format!("ctdb-release-{}", std::process::id()));
        let installed = |status: &str, version: &str| {
            let text = format!(
                "Package: a\nVersion: 1\n\nPackage: samba-libs\nStatus: {status}\nVersion: {version}\n\nPackage: z\n"
            );
            std::fs::write(&list, text).unwrap();
            Release::installed(&list)
        };
        let good = "install ok installed";
        assert_eq!(
            installed(good, "2:4.24.7+dfsg-1~bpo13+1"),
            Some(Release::four(24))
        );
        assert_eq!(installed(good, "4.26.0-1"), Some(NEWEST));
        assert_eq!(installed(good, "2:4.9.5+dfsg-5"), Some(OLDEST));
        assert_eq!(installed(good, "strange"), None);
        assert_eq!(installed("deinstall ok config-files", "2:4.24.7"), None);
        std::fs::remove_file(&list).unwrap();
        assert_eq!(Release::installed(&list), None);
    }

    #[test]
    fn versions_are_those_compared_with() {
        assert_eq!(Release::parse("4.22").unwrap().version(), "4.22.11");
        assert_eq!(Release::parse("4.23").unwrap().version(), "4.23.0");
        assert_eq!(Release::parse("4"), None);
        assert!(Release::parse(PACKAGED).is_some());
    }

    #[test]
    fn packages_say_that_they_are_the_reference() {
        let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/../ctdbd/packaging");
        let version = format!("2:{}", REFERENCE.version());
        for (file, line) in [
            ("debian/provides", version.clone()),
            (
                "rpm/ctdb-rs.spec",
                format!("Provides:       ctdb = {version}"),
            ),
        ] {
            let text = std::fs::read_to_string(format!("{packaging}/{file}")).unwrap();
            assert!(text.lines().any(|l| l == line), "{file} has no {line}");
        }
    }
}
