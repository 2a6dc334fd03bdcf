//! The program `ctdb_mutex_fcntl_helper`: holds the cluster lock as an fcntl lock on a file.
//!
//! ```text
//! ctdb_mutex_fcntl_helper <file> [recheck_interval [ping_timeout]]
//! ```
//! Byte 0 of the file is the lock. While it is held a second process, this program again,
//! looks after the file every `recheck_interval` seconds (5; 0 never): the file must be there,
//! be the same, and take a lock on byte 1. It must be another process because closing any
//! descriptor of a file drops a process's locks on it. When that process ends, or with a
//! `ping_timeout` is silent for so many seconds (it is stuck in the file system), the lock is
//! let go. So it is when the daemon is gone, which shows by the pipe at our standard output before it
//! does by the pid. A parent of 1 proves nothing: in a container the daemon itself may be process 1.
//!
//! No runtime here: one loop that waits for two things.

mod check;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::kill;
use nix::unistd::{Pid, getppid};

use crate::log::say;

const PARENT_CHECK: Duration = Duration::from_secs(5);
/// The second process is asked for with this and four more arguments.
const CHECK: &str = "--check";

/// The byte that is the lock.
const LOCK_BYTE: i64 = 0;
/// The byte that is locked to see whether locking works.
const TEST_BYTE: i64 = 1;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let name = arguments.first().map_or("ctdb_mutex_fcntl_helper", |path| {
        path.rsplit('/').next().unwrap_or(path)
    });
    // Before anything else: the parent must be whoever started us.
    let parent = getppid();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    if let [CHECK, rest @ ..] = words.as_slice()
        && let Some(check) = check::Check::from_arguments(name, rest)
    {
        return check.run();
    }
    let settings = match words.as_slice() {
        [file] => Some((file, 5, 0)),
        [file, recheck] => seconds(recheck).map(|recheck| (file, recheck, 0)),
        [file, recheck, ping] => seconds(recheck)
            .zip(seconds(ping))
            .map(|(recheck, ping)| (file, recheck, ping)),
        _ => None,
    };
    let Some((file, recheck_s, ping_timeout_s)) = settings else {
        say(format_args!(
            "Usage: {name} <file> [recheck_interval [ping_timeout]]"
        ));
        return ExitCode::FAILURE;
    };
    let helper = Helper {
        name,
        file,
        recheck_s,
        ping_timeout_s,
        parent,
    };
    helper.run()
}

fn seconds(text: &str) -> Option<u64> {
    text.trim_start().parse().ok()
}

struct Helper<'a> {
    name: &'a str,
    file: &'a str,
    recheck_s: u64,
    ping_timeout_s: u64,
    parent: Pid,
}

impl Helper<'_> {
    fn run(&self) -> ExitCode {
        let (answer, lock) = match self.lock() {
            Ok(Some(lock)) => (b'0', Some(lock)),
            Ok(None) => (b'1', None),
            Err(text) => {
                say(format_args!("{}: {text}", self.name));
                (b'3', None)
            }
        };
        let mut out = io::stdout();
        // Nobody there to read it: nobody there to hold the lock for, as the parent check finds.
        let _ = out.write_all(&[answer]).and_then(|()| out.flush());
        if let Some(lock) = lock {
            self.hold(&lock);
        }
        ExitCode::SUCCESS
    }

    /// `None` if somebody else holds the lock.
    fn lock(&self) -> Result<Option<File>, String> {
        let Self { file, .. } = self;
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(file);
        let lock = open.map_err(|e| format!("Unable to open {file} - ({})", reason(&e)))?;
        match lock_byte(&lock, LOCK_BYTE, false) {
            Ok(()) => Ok(Some(lock)),
            Err(Errno::EACCES | Errno::EAGAIN) => Ok(None),
            Err(e) => Err(format!("Failed to get lock on '{file}' - ({})", e.desc())),
        }
    }

    /// Returns when the lock is to be let go.
    fn hold(&self, lock: &File) {
        let mut checker = None;
        if self.recheck_s != 0 {
            match self.start_checker(lock) {
                Ok(started) => checker = Some(started),
                Err(e) => {
                    say(format_args!(
                        "{}: fork() failed ({})",
                        self.name,
                        reason(&e)
                    ));
                    return;
                }
            }
        }
        self.watch(checker.as_mut());
        if let Some(mut checker) = checker {
            // It may hang in the file system: then it cannot even be waited for.
            let _ = checker.process.kill();
        }
    }

    fn start_checker(&self, lock: &File) -> io::Result<Checker> {
        let inode = lock.metadata()?.ino();
        let mut process = Command::new("/proc/self/exe")
            .arg0(self.name)
            .args([CHECK, self.file])
            .args([inode.to_string(), self.recheck_s.to_string()])
            .arg(if self.ping_timeout_s == 0 {
                "quiet"
            } else {
                "ping"
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pings = process.stdout.take().expect("piped just above");
        Ok(Checker { process, pings })
    }

    fn watch(&self, mut checker: Option<&mut Checker>) {
        let ping_timeout = Duration::from_secs(self.ping_timeout_s);
        let mut parent_due = Instant::now() + PARENT_CHECK;
        let mut ping_due = Instant::now() + ping_timeout;
        let pinged = checker.is_some() && self.ping_timeout_s != 0;
        loop {
            let due = if pinged {
                parent_due.min(ping_due)
            } else {
                parent_due
            };
            match wait(checker.as_deref_mut(), due) {
                Sign::Ping => ping_due = Instant::now() + ping_timeout,
                Sign::ParentGone => {
                    say("parent gone");
                    return;
                }
                Sign::CheckerGone => return,
                Sign::Nothing => {}
            }
            let now = Instant::now();
            if pinged && now >= ping_due {
                say(format_args!(
                    "{}: ping timeout from lock test child",
                    self.name
                ));
                return;
            }
            if now >= parent_due {
                if kill(self.parent, None) == Err(Errno::ESRCH) {
                    say("parent gone");
                    return;
                }
                parent_due = now + PARENT_CHECK;
            }
        }
    }
}

/// The process that looks after the file.
struct Checker {
    process: Child,
    pings: ChildStdout,
}

enum Sign {
    Ping,
    ParentGone,
    CheckerGone,
    Nothing,
}

/// Waits until `due`, or until the checker says something or ends, or until nobody listens to our
/// standard output any more: the daemon is gone, long before its pid is looked for.
fn wait(checker: Option<&mut Checker>, due: Instant) -> Sign {
    let stdout = io::stdout();
    // Asked for nothing, an error is still reported.
    let mut watched = vec![PollFd::new(stdout.as_fd(), PollFlags::empty())];
    if let Some(checker) = &checker {
        watched.push(PollFd::new(checker.pings.as_fd(), PollFlags::POLLIN));
    }
    match poll(&mut watched, timeout(due)) {
        Ok(0) | Err(Errno::EINTR) => return Sign::Nothing,
        Ok(_) => {}
        // Nothing sensible is left to wait for.
        Err(_) => return Sign::CheckerGone,
    }
    if watched[0].any().unwrap_or(false) {
        return Sign::ParentGone;
    }
    let Some(checker) = checker else {
        return Sign::Nothing;
    };
    match checker.pings.read(&mut [0; 64]) {
        Ok(0) | Err(_) => Sign::CheckerGone,
        Ok(_) => Sign::Ping,
    }
}

fn timeout(due: Instant) -> PollTimeout {
    let left = due.saturating_duration_since(Instant::now());
    // One more millisecond: poll rounds down and would spin through the last one.
    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}

/// Locks one byte of a file for writing.
fn lock_byte(file: &File, byte: i64, wait: bool) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    let request = if wait {
        FcntlArg::F_SETLKW(&lock)
    } else {
        FcntlArg::F_SETLK(&lock)
    };
    fcntl(file, request).map(drop)
}

/// An error in the system's words.
fn reason(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => e.to_string(),
    }
}
