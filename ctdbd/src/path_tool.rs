//! The program `ctdb-path`: says where things are.

use std::path::Path;

use ctdb_config::Paths;

use crate::cmdline::{self, Cmdline, CommandSpec};

const COMMANDS: &[CommandSpec<Paths>] = &[
    CommandSpec::new("config", config, "Get path of CTDB config file"),
    CommandSpec::new("pidfile", pidfile, "Get path of CTDB daemon pidfile").taking("<daemon>"),
    CommandSpec::new("socket", socket, "Get path of CTDB daemon socket").taking("<daemon>"),
    CommandSpec::new(
        "datadir append",
        datadir_append,
        "Get path relative to CTDB DATADIR",
    )
    .taking("<path>"),
    CommandSpec::new("datadir", datadir, "Get path of CTDB DATADIR"),
    CommandSpec::new(
        "etcdir append",
        etcdir_append,
        "Get path relative to CTDB ETCDIR",
    )
    .taking("<path>"),
    CommandSpec::new("etcdir", etcdir, "Get path of CTDB ETCDIR"),
    CommandSpec::new(
        "lockdir append",
        lockdir_append,
        "Get path relative to CTDB LOCKDIR",
    )
    .taking("<path>"),
    CommandSpec::new("lockdir", lockdir, "Get path of CTDB LOCKDIR"),
    CommandSpec::new(
        "piddir append",
        piddir_append,
        "Get path relative to CTDB PIDDIR",
    )
    .taking("<path>"),
    CommandSpec::new("piddir", piddir, "Get path of CTDB PIDDIR"),
    // Upstream had these two until 4.24, in place of the three others.
    CommandSpec::new(
        "rundir append",
        rundir_append,
        "Get path relative to CTDB RUNDIR",
    )
    .taking("<path>"),
    CommandSpec::new("rundir", rundir, "Get path of CTDB RUNDIR"),
    CommandSpec::new(
        "socketdir append",
        socketdir_append,
        "Get path relative to CTDB SOCKETDIR",
    )
    .taking("<path>"),
    CommandSpec::new("socketdir", socketdir, "Get path of CTDB SOCKETDIR"),
    CommandSpec::new(
        "vardir append",
        vardir_append,
        "Get path relative to CTDB VARDIR",
    )
    .taking("<path>"),
    CommandSpec::new("vardir", vardir, "Get path of CTDB VARDIR"),
];

/// The program; answers with its exit code.
#[must_use]
pub fn main() -> i32 {
    let mut paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(e) => {
            eprintln!("{e}");
            return 1;
        }
    };
    let cmdline =
        Cmdline::new("ctdb-path", &[], None, COMMANDS).expect("the table above is complete");
    cmdline::main(&cmdline, &mut paths)
}

/// A function for a command that takes nothing.
macro_rules! plain {
    ($($name:ident = $command:literal, $path:expr;)*) => {$(
        fn $name(paths: &mut Paths, cmdline: &Cmdline<Paths>, arguments: &[String]) -> i32 {
            let path: fn(&Paths) -> &Path = $path;
            match arguments {
                [] => show(path(paths)),
                _ => usage(cmdline, $command),
            }
        }
    )*};
}

/// A function for a command that takes one word.
macro_rules! with_word {
    ($($name:ident = $command:literal, $path:expr;)*) => {$(
        fn $name(paths: &mut Paths, cmdline: &Cmdline<Paths>, arguments: &[String]) -> i32 {
            match arguments {
                [word] => show(&$path(&*paths, word)),
                _ => usage(cmdline, $command),
            }
        }
    )*};
}

plain! {
    datadir = "datadir", Paths::datadir;
    etcdir = "etcdir", Paths::etcdir;
    lockdir = "lockdir", Paths::lockdir;
    piddir = "piddir", Paths::piddir;
    rundir = "rundir", Paths::rundir;
    socketdir = "socketdir", Paths::socketdir;
    vardir = "vardir", Paths::vardir;
}

with_word! {
    pidfile = "pidfile", Paths::pidfile;
    socket = "socket", Paths::socket;
    datadir_append = "datadir append", Paths::in_datadir;
    etcdir_append = "etcdir append", Paths::in_etcdir;
    lockdir_append = "lockdir append", Paths::in_lockdir;
    piddir_append = "piddir append", Paths::in_piddir;
    rundir_append = "rundir append", Paths::in_rundir;
    socketdir_append = "socketdir append", Paths::in_socketdir;
    vardir_append = "vardir append", Paths::in_vardir;
}

fn config(paths: &mut Paths, cmdline: &Cmdline<Paths>, arguments: &[String]) -> i32 {
    match arguments {
        [] => show(&paths.config_file()),
        _ => usage(cmdline, "config"),
    }
}

fn show(path: &Path) -> i32 {
    println!("{}", path.display());
    0
}

fn usage(cmdline: &Cmdline<Paths>, command: &str) -> i32 {
    print!("{}", cmdline.usage(Some(command)));
    libc::EINVAL
}
