//! One lock, as upstream's daemon asks for it.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use tdb::TdbFlags;

use super::{hurry, open, parent};
use crate::log::say;
use crate::sys::descriptor;

const PARENT_CHECK: Duration = Duration::from_secs(5);

/// What the arguments say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    daemon: i32,
    output_fd: i32,
    path: String,
    flags: TdbFlags,
    /// `None`: the whole database.
    key: Option<Vec<u8>>,
}

impl Task {
    pub(super) fn from_arguments(arguments: &[&str]) -> Option<Self> {
        let (daemon, output_fd, path, flags, key) = match arguments {
            [pid, fd, "RECORD", path, flags, key] => (pid, fd, path, flags, Some(parse_key(key)?)),
            [pid, fd, "DB", path, flags] => (pid, fd, path, flags, None),
            _ => return None,
        };
        Some(Self {
            daemon: daemon.parse().ok()?,
            output_fd: output_fd.parse().ok()?,
            path: (*path).to_owned(),
            flags: parse_flags(flags)?,
            key,
        })
    }
}

fn parse_flags(text: &str) -> Option<TdbFlags> {
    let bits = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    bits.ok().map(TdbFlags::from_bits_retain)
}

/// Hex digits; `NULL` is the empty key.
fn parse_key(text: &str) -> Option<Vec<u8>> {
    if text == "NULL" {
        return Some(Vec::new());
    }
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

pub(super) fn run(task: &Task) -> ExitCode {
    let held = hold(task);
    if let Err(e) = &held {
        say(format_args!("locking: {e}"));
        // If this fails too the daemon sees the end of the pipe, which means the same.
        let _ = descriptor::write_to(task.output_fd, &[1]);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn hold(task: &Task) -> tdb::Result<()> {
    let db = open(&task.path, task.flags)?;
    hurry();
    // Both guards live until the end of this function, which SIGTERM brings about.
    let (_chain, _all) = match &task.key {
        Some(key) => (Some(db.chain_lock(key)?), None),
        None => (None, Some(db.lock_all()?)),
    };
    // From here on SIGTERM must let go of the lock in an orderly way.
    let terminate = SigSet::from(Signal::SIGTERM);
    let blocked = terminate.thread_block().is_ok();
    let daemon = task.daemon;
    thread::spawn(move || watch(daemon));
    // The daemon may be gone already; the watcher finds out.
    let _ = descriptor::write_to(task.output_fd, &[0]);
    while blocked && terminate.wait().is_err() {}
    Ok(())
}

/// Ends this process like the daemon would, once the daemon is gone.
fn watch(daemon: i32) {
    loop {
        thread::sleep(PARENT_CHECK);
        if !parent::exists(daemon) {
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_upstream() {
        let task = Task::from_arguments(&["12", "3", "RECORD", "a.tdb", "0x1841", "6b00"]).unwrap();
        assert_eq!(task.key.as_deref(), Some(&b"k\0"[..]));
        assert_eq!(task.flags.bits(), 0x1841);
        let task = Task::from_arguments(&["12", "3", "RECORD", "a.tdb", "0x0", "NULL"]).unwrap();
        assert_eq!(task.key, Some(Vec::new()));
        let task = Task::from_arguments(&["12", "3", "DB", "a.tdb", "0x40"]).unwrap();
        assert_eq!(task.key, None);
        assert_eq!(Task::from_arguments(&["12", "3", "DB", "a.tdb"]), None);
        assert_eq!(
            Task::from_arguments(&["12", "3", "RECORD", "a", "0x0", "6b0"]),
            None
        );
    }
}
