// SPDX-License-Identifier: GPL-3.0-or-later
//! Where everything is. Installed, the directories are compiled in; with `CTDB_TEST_MODE` set,
//! all are below `CTDB_BASE`, which may be relative: nothing here is made absolute or resolved.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

macro_rules! compiled {
    ($variable:literal, $default:literal) => {
        match option_env!($variable) {
            Some(directory) => directory,
            None => $default,
        }
    };
}

/// The directories of an installation; a package sets the variables when it is built.
const DATADIR: &str = compiled!("CTDB_DATADIR", "/usr/share/ctdb");
const ETCDIR: &str = compiled!("CTDB_ETCDIR", "/etc/ctdb");
const RUNDIR: &str = compiled!("CTDB_RUNDIR", "/run/ctdb");
const VARDIR: &str = compiled!("CTDB_VARDIR", "/var/lib/ctdb");
const LOGDIR: &str = compiled!("CTDB_LOGDIR", "/var/log/ctdb");
const HELPERDIR: &str = compiled!("CTDB_HELPER_BINDIR", "/usr/libexec/ctdb");

/// All directories in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    test_mode: bool,
    datadir: PathBuf,
    etcdir: PathBuf,
    rundir: PathBuf,
    vardir: PathBuf,
    socket: Option<PathBuf>,
}

/// Test mode without a base directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Broken CTDB setup, CTDB_BASE not set in test mode")]
pub struct NoBase;

impl Paths {
    /// As the environment says.
    pub fn from_env() -> Result<Self, NoBase> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// As [`Paths::from_env`], with the environment as a function.
    pub fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoBase> {
        if get("CTDB_TEST_MODE").is_none() {
            return Ok(Self::installed());
        }
        let base = PathBuf::from(get("CTDB_BASE").ok_or(NoBase)?);
        Ok(Self {
            socket: get("CTDB_SOCKET").map(PathBuf::from),
            ..Self::below(&base)
        })
    }

    /// The directories of an installation.
    pub fn installed() -> Self {
        Self {
            test_mode: false,
            datadir: DATADIR.into(),
            etcdir: ETCDIR.into(),
            rundir: RUNDIR.into(),
            vardir: VARDIR.into(),
            socket: None,
        }
    }

    /// The directories of test mode below `base`.
    pub fn below(base: &Path) -> Self {
        Self {
            test_mode: true,
            datadir: join(base, "share"),
            etcdir: base.to_owned(),
            rundir: join(base, "run"),
            vardir: join(base, "var"),
            socket: None,
        }
    }

    /// Whether this is test mode: no real-time scheduling, no checks of addresses, and more.
    pub fn test_mode(&self) -> bool {
        self.test_mode
    }

    /// Shipped files: event scripts.
    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    /// Configuration.
    pub fn etcdir(&self) -> &Path {
        &self.etcdir
    }

    /// Sockets, pid files.
    pub fn rundir(&self) -> &Path {
        &self.rundir
    }

    /// Databases, state.
    pub fn vardir(&self) -> &Path {
        &self.vardir
    }

    /// Where databases are unless configured, in test mode too.
    pub fn compiled_vardir(&self) -> &Path {
        Path::new(VARDIR)
    }

    /// Logs.
    pub fn logdir(&self) -> &Path {
        Path::new(LOGDIR)
    }

    /// Programs that only other programs call.
    pub fn helperdir(&self) -> &Path {
        Path::new(HELPERDIR)
    }

    /// A helper program; `variable` in the environment names another one.
    pub fn helper(&self, variable: &str, name: &str) -> PathBuf {
        match std::env::var_os(variable) {
            Some(path) => path.into(),
            None => join(self.helperdir(), name),
        }
    }

    /// `ctdb.conf`.
    pub fn config_file(&self) -> PathBuf {
        self.in_etcdir("ctdb.conf")
    }

    /// The default nodes list.
    pub fn nodes_file(&self) -> PathBuf {
        self.in_etcdir("nodes")
    }

    /// The public addresses.
    pub fn public_addresses_file(&self) -> PathBuf {
        self.in_etcdir("public_addresses")
    }

    /// `ctdb.tunables`.
    pub fn tunables_file(&self) -> PathBuf {
        self.in_etcdir("ctdb.tunables")
    }

    /// A daemon's socket. The main daemon's may be named by `CTDB_SOCKET` in test mode.
    pub fn socket(&self, daemon: &str) -> PathBuf {
        match &self.socket {
            Some(path) if daemon == "ctdbd" => path.clone(),
            _ => self.in_rundir(&format!("{daemon}.socket")),
        }
    }

    /// A daemon's pid file.
    pub fn pidfile(&self, daemon: &str) -> PathBuf {
        self.in_rundir(&format!("{daemon}.pid"))
    }

    /// A file in the configuration directory.
    pub fn in_etcdir(&self, name: &str) -> PathBuf {
        join(&self.etcdir, name)
    }

    /// A file in the run directory.
    pub fn in_rundir(&self, name: &str) -> PathBuf {
        join(&self.rundir, name)
    }

    /// A file in the state directory.
    pub fn in_vardir(&self, name: &str) -> PathBuf {
        join(&self.vardir, name)
    }

    /// A file in the data directory.
    pub fn in_datadir(&self, name: &str) -> PathBuf {
        join(&self.datadir, name)
    }
}

/// `directory/name` to the letter, also where `name` is absolute or `directory` ends in `/`:
/// these paths are printed and compared.
fn join(directory: &Path, name: &str) -> PathBuf {
    let mut path = directory.as_os_str().to_owned();
    path.push("/");
    path.push(name);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(variables: &[(&str, &str)]) -> Result<Paths, NoBase> {
        Paths::from_variables(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn test_mode_is_below_the_base_to_the_letter() {
        let all = [("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", "a//b/../c")];
        let p = paths(&all).unwrap();
        assert_eq!(p.config_file().to_str(), Some("a//b/../c/ctdb.conf"));
        assert_eq!(p.pidfile("x").to_str(), Some("a//b/../c/run/x.pid"));
        assert_eq!(
            p.socket("ctdbd").to_str(),
            Some("a//b/../c/run/ctdbd.socket")
        );
        assert_eq!(paths(&all[..1]), Err(NoBase));
    }

    #[test]
    fn socket_variable_counts_in_test_mode_only() {
        let socket = ("CTDB_SOCKET", "/tmp/s");
        let p = paths(&[socket]).unwrap();
        assert_eq!(p.socket("ctdbd"), Paths::installed().socket("ctdbd"));
        let p = paths(&[socket, ("CTDB_TEST_MODE", ""), ("CTDB_BASE", "b")]).unwrap();
        assert_eq!(p.socket("ctdbd").to_str(), Some("/tmp/s"));
        assert_eq!(p.socket("eventd").to_str(), Some("b/run/eventd.socket"));
    }
}
