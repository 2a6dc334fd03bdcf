// SPDX-License-Identifier: GPL-3.0-or-later
//! Where everything is. Installed, the directories are compiled in; with `CTDB_TEST_MODE` set,
//! all are below `CTDB_BASE`, which may be relative: nothing here is made absolute or resolved.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

macro_rules! compiled {
    ($variable:literal, $default:expr) => {
        match option_env!($variable) {
            Some(directory) => directory,
            None => $default,
        }
    };
}

/// The directories of an installation; a package sets the variables when it is built.
const DATADIR: &str = compiled!("CTDB_DATADIR", "/usr/share/ctdb");
const ETCDIR: &str = compiled!("CTDB_ETCDIR", "/etc/ctdb");
const LOCKDIR: &str = compiled!("CTDB_LOCKDIR", RUNDIR);
const PIDDIR: &str = compiled!("CTDB_PIDDIR", RUNDIR);
const SOCKETDIR: &str = compiled!("CTDB_SOCKETDIR", RUNDIR);
/// One directory for locks, pid files and sockets, as before Samba 4.25.
const RUNDIR: &str = compiled!("CTDB_RUNDIR", "/run/ctdb");
const VARDIR: &str = compiled!("CTDB_VARDIR", "/var/lib/ctdb");
const LOGDIR: &str = compiled!("CTDB_LOGDIR", "/var/log/ctdb");
const HELPERDIR: &str = compiled!("CTDB_HELPER_BINDIR", "/usr/libexec/ctdb");

/// The folders in which Samba's releases look for the socket by default: up to 4.24 and in
/// Debian, and since 4.25.
const SOCKET_FOLDERS: [&str; 2] = ["/run/ctdb", "/run/samba/ctdb"];

/// Names the folder of helpers in test mode.
pub(crate) const TEST_HELPER_BINDIR: &str = "CTDB_TEST_HELPER_BINDIR";

/// All directories in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    test_mode: bool,
    datadir: PathBuf,
    etcdir: PathBuf,
    helperdir: PathBuf,
    rundir: PathBuf,
    lockdir: PathBuf,
    piddir: PathBuf,
    socketdir: PathBuf,
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
        let mut paths = Self::below(&base);
        paths.socket = get("CTDB_SOCKET").map(PathBuf::from);
        // Since 4.25 upstream's suites name the folder; before, a variable for each helper.
        if let Some(directory) = get(TEST_HELPER_BINDIR) {
            paths.helperdir = directory.into();
        }
        Ok(paths)
    }

    /// The directories of an installation.
    pub fn installed() -> Self {
        Self {
            test_mode: false,
            datadir: DATADIR.into(),
            etcdir: ETCDIR.into(),
            helperdir: HELPERDIR.into(),
            rundir: RUNDIR.into(),
            lockdir: LOCKDIR.into(),
            piddir: PIDDIR.into(),
            socketdir: SOCKETDIR.into(),
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
            helperdir: HELPERDIR.into(),
            rundir: join(base, "run"),
            lockdir: join(base, "run"),
            piddir: join(base, "run"),
            socketdir: join(base, "run"),
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

    /// What was one directory for locks, pid files and sockets before Samba 4.25.
    pub fn rundir(&self) -> &Path {
        &self.rundir
    }

    /// Lock files between daemons of this machine.
    pub fn lockdir(&self) -> &Path {
        &self.lockdir
    }

    /// Pid files.
    pub fn piddir(&self) -> &Path {
        &self.piddir
    }

    /// Sockets.
    pub fn socketdir(&self) -> &Path {
        &self.socketdir
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
        &self.helperdir
    }

    /// A helper program; `variable` in the environment names another one, as upstream's suites
    /// before 4.25 do.
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

    /// The directory of further files of tunables.
    pub fn tunables_directory(&self) -> PathBuf {
        self.in_etcdir("tunables.d")
    }

    /// A daemon's socket. The main daemon's may be named by `CTDB_SOCKET` in test mode.
    pub fn socket(&self, daemon: &str) -> PathBuf {
        match &self.socket {
            Some(path) if daemon == "ctdbd" => path.clone(),
            _ => self.in_socketdir(&format!("{daemon}.socket")),
        }
    }

    /// Where clients of other releases look for the main daemon's socket, beside
    /// [`Paths::socket`]. Nowhere in test mode, where all is below one folder.
    pub fn other_sockets(&self) -> Vec<PathBuf> {
        if self.test_mode {
            return Vec::new();
        }
        let folders = SOCKET_FOLDERS.iter().map(Path::new);
        folders
            .filter(|folder| *folder != self.socketdir)
            .map(|folder| join(folder, "ctdbd.socket"))
            .collect()
    }

    /// A daemon's pid file.
    pub fn pidfile(&self, daemon: &str) -> PathBuf {
        self.in_piddir(&format!("{daemon}.pid"))
    }

    /// A file in the configuration directory.
    pub fn in_etcdir(&self, name: &str) -> PathBuf {
        join(&self.etcdir, name)
    }

    /// A file in the run directory.
    pub fn in_rundir(&self, name: &str) -> PathBuf {
        join(&self.rundir, name)
    }

    /// A file in the directory of locks.
    pub fn in_lockdir(&self, name: &str) -> PathBuf {
        join(&self.lockdir, name)
    }

    /// A file in the directory of pid files.
    pub fn in_piddir(&self, name: &str) -> PathBuf {
        join(&self.piddir, name)
    }

    /// A file in the directory of sockets.
    pub fn in_socketdir(&self, name: &str) -> PathBuf {
        join(&self.socketdir, name)
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
    fn helpers_are_where_a_suite_says() {
        let folder = ("CTDB_TEST_HELPER_BINDIR", "/suite/bin");
        let test = [("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", "b"), folder];
        let p = paths(&test).unwrap();
        let helper = |p: &Paths| p.helper("CTDB_PATHS_TEST_UNSET", "ctdb-eventd");
        assert_eq!(helper(&p).to_str(), Some("/suite/bin/ctdb-eventd"));
        // As in C, it counts in test mode only.
        assert_eq!(paths(&[folder]).unwrap(), Paths::installed());
        let p = paths(&test[..2]).unwrap();
        assert_eq!(p.helperdir(), Paths::installed().helperdir());
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
