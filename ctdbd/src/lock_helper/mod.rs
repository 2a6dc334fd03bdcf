//! The program `ctdb_lock_helper`: waits for locks of database files in place of the daemon.
//!
//! fcntl locks belong to a process and robust mutexes to a thread, so the daemon itself never
//! waits for one, and marks what a helper holds as its own.
//!
//! ```text
//! ctdb_lock_helper <ctdbd-pid> <output-fd> RECORD <db-path> <db-flags> <db-key>
//! ctdb_lock_helper <ctdbd-pid> <output-fd> DB <db-path> <db-flags>
//! ctdb_lock_helper --serve <ctdbd-pid>
//! ctdb_lock_helper --holders
//! ```
//! The first two are upstream's: one lock, one byte on the descriptor (0 locked, 1 failed), held
//! until SIGTERM or until the daemon is gone. The third is ours: one lock after the other, as
//! [`frame`] says. The fourth too: it tells who holds and awaits the locks of files, see
//! [`holders`].
//!
//! No runtime and no argument library here: the program starts under load.

mod dead_owner;
pub mod frame;
pub mod holders;
mod once;
mod parent;
mod serve;

use std::process::ExitCode;

use tdb::{OpenMode, Tdb, TdbFlags};

use crate::log::say;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let program = arguments.first().map_or("ctdb_lock_helper", String::as_str);
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match rest.as_slice() {
        ["--serve", pid] => match pid.parse() {
            Ok(pid) => serve::run(pid),
            Err(_) => usage(program),
        },
        ["--holders"] => holders::main(),
        _ => match once::Task::from_arguments(&rest) {
            Some(task) => once::run(&task),
            None => usage(program),
        },
    }
}

fn usage(program: &str) -> ExitCode {
    say(format_args!(
        "Usage: {program} <ctdbd-pid> <output-fd> RECORD <db-path> <db-flags> <db-key>\n\
         Usage: {program} <ctdbd-pid> <output-fd> DB <db-path> <db-flags>\n\
         Usage: {program} --serve <ctdbd-pid>\n\
         Usage: {program} --holders"
    ));
    ExitCode::FAILURE
}

/// Opens a file that the daemon has open. With robust mutexes the library must have been asked
/// for them first.
fn open(path: &str, flags: TdbFlags) -> tdb::Result<Tdb> {
    if flags.contains(TdbFlags::MUTEX_LOCKING) {
        tdb::robust_mutexes_work();
    }
    Tdb::open(path, 0, flags, OpenMode::ReadWrite)
}

/// Real-time priority while waiting for a lock, unless the daemon itself runs without: the
/// grant must not wait for the processor as well.
fn hurry() {
    if std::env::var_os("CTDB_NOSETSCHED").is_none() {
        // As in C, a process that may not do so waits its turn.
        let _ = crate::sys::process::become_realtime();
    }
}
