// SPDX-License-Identifier: GPL-3.0-or-later
//! The configuration of `statd_callout`: a mode, and two paths for the modes that keep clients.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;

const PATH_VARIABLE: &str = "CTDB_STATD_CALLOUT_CONFIG_FILE";
const DEFAULT_PATH: &str = "/var/lib/ctdb/scripts/statd_callout.conf";

/// Where clients are noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// In a persistent database, by way of a queue of files.
    PersistentDb(Store),
    /// As files of a directory in a clustered file system.
    SharedDir(Store),
    /// Nowhere.
    None,
}

/// The two paths of a mode that keeps clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Where a file for each pair of server and client address is made.
    pub directory: PathBuf,
    /// A file with the public addresses of this node, one a line.
    pub addresses: PathBuf,
}

/// The file to read: a test's own or the usual one.
#[must_use]
pub fn path() -> PathBuf {
    env::var_os(PATH_VARIABLE)
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| OsString::from(DEFAULT_PATH))
        .into()
}

impl Config {
    /// Reads and parses a configuration file.
    ///
    /// # Errors
    /// Upstream's message, which names the file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|_| {
            Failure::Failed(format!("unable to open config file ({})", path.display()))
        })?;
        Self::parse(&text, path)
    }

    /// `path` is for messages only.
    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let mut lines = text.lines();
        let mode = usable(lines.next())
            .ok_or_else(|| Failure::Failed(format!("error parsing mode in {}", path.display())))?;
        let make = match mode {
            "persistent_db" => Self::PersistentDb,
            "shared_dir" => Self::SharedDir,
            "none" => return Ok(Self::None),
            _ => {
                let path = path.display();
                return Err(Failure::Failed(format!("unknown mode={mode} in {path}")));
            }
        };
        match (usable(lines.next()), usable(lines.next())) {
            (Some(directory), Some(addresses)) => Ok(make(Store {
                directory: directory.into(),
                addresses: addresses.into(),
            })),
            _ => Err(unparsable(path)),
        }
    }
}

impl Store {
    /// The public addresses of this node.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is too short for an address.
    pub fn addresses(&self) -> Result<Vec<String>, Failure> {
        let path = &self.addresses;
        let text = fs::read_to_string(path).map_err(|_| {
            Failure::Failed(format!("unable to open IPs file ({})", path.display()))
        })?;
        let address = |line| usable(Some(line)).map(str::to_owned);
        let addresses: Option<Vec<_>> = text.lines().map(address).collect();
        addresses.ok_or_else(|| unparsable(path))
    }
}

fn unparsable(path: &Path) -> Failure {
    Failure::Failed(format!("error parsing contents of {}", path.display()))
}

/// A line of fewer than two characters means nothing in any of these files.
fn usable(line: Option<&str>) -> Option<&str> {
    line.filter(|line| line.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Failure> {
        Config::parse(text, Path::new("F"))
    }

    #[test]
    fn modes_take_their_paths() {
        let store = Store {
            directory: "/queue".into(),
            addresses: "/ips".into(),
        };
        let lines = "\n/queue\n/ips\n";
        assert_eq!(
            parse(&format!("persistent_db{lines}")),
            Ok(Config::PersistentDb(store.clone()))
        );
        assert_eq!(
            parse(&format!("shared_dir{lines}")),
            Ok(Config::SharedDir(store))
        );
        assert_eq!(parse("none\n"), Ok(Config::None));
    }

    #[test]
    fn what_is_missing_is_named() {
        let failed = |text: &str| Err(Failure::Failed(text.to_owned()));
        assert_eq!(parse(""), failed("error parsing mode in F"));
        assert_eq!(parse("\n"), failed("error parsing mode in F"));
        assert_eq!(parse("other\n"), failed("unknown mode=other in F"));
        assert_eq!(
            parse("shared_dir\n/queue\n"),
            failed("error parsing contents of F")
        );
    }
}
