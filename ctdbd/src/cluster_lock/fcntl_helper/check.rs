//! The second process: looks whether the locked file is still there, still the same, and still
//! takes locks.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::{TEST_BYTE, lock_byte, timeout};
use crate::log::say;

const PING_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Check<'a> {
    name: &'a str,
    file: &'a str,
    inode: u64,
    interval: Duration,
    pings: bool,
}

impl<'a> Check<'a> {
    /// File, inode, interval in seconds, `ping` or `quiet`.
    pub(super) fn from_arguments(name: &'a str, arguments: &[&'a str]) -> Option<Self> {
        let [file, inode, interval_s, pings] = arguments else {
            return None;
        };
        Some(Self {
            name,
            file,
            inode: inode.parse().ok()?,
            interval: Duration::from_secs(interval_s.parse().ok()?),
            pings: *pings == "ping",
        })
    }

    /// Until something is wrong or the first process is gone.
    pub(super) fn run(&self) -> ExitCode {
        let mut check_due = Instant::now() + self.interval;
        let mut ping_due = Instant::now();
        loop {
            let now = Instant::now();
            // Before a ping that is due as well: the ping would vouch for a look that may hang.
            if now >= check_due {
                if let Err(text) = self.look() {
                    say(format_args!("{}: {text}", self.name));
                    return ExitCode::SUCCESS;
                }
                check_due = Instant::now() + self.interval;
            }
            if self.pings && now >= ping_due {
                let mut out = io::stdout();
                if out.write_all(b".").and_then(|()| out.flush()).is_err() {
                    return ExitCode::SUCCESS;
                }
                ping_due = now + PING_INTERVAL;
            }
            let due = if self.pings {
                check_due.min(ping_due)
            } else {
                check_due
            };
            if first_process_gone(due) {
                return ExitCode::SUCCESS;
            }
        }
    }

    fn look(&self) -> Result<(), String> {
        let lost = |what: &str, e: &io::Error| {
            let number = e.raw_os_error().unwrap_or(0);
            format!(
                "lock lost - lock file \"{}\" {what} failed (ret={number})",
                self.file
            )
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.file)
            .map_err(|e| lost("open", &e))?;
        let inode = file.metadata().map_err(|e| lost("check", &e))?.ino();
        if inode != self.inode {
            return Err(format!(
                "lock lost - lock file \"{}\" inode changed",
                self.file
            ));
        }
        // Waiting for the lock, so that a file system that hangs is noticed by our silence.
        lock_byte(&file, TEST_BYTE, true).map_err(|e| {
            let number = e as i32;
            format!(
                "lock fail - lock file \"{}\" test lock error ({number})",
                self.file
            )
        })
    }
}

/// Waits until `due`, or until the pipe from the first process closes.
fn first_process_gone(due: Instant) -> bool {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    match poll(&mut watched, timeout(due)) {
        Ok(0) | Err(Errno::EINTR) => false,
        Ok(_) | Err(_) => true,
    }
}
