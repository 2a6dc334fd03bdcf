//! Notices that the daemon is gone.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Whether a process exists.
pub(super) fn exists(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Whether the other end of standard input has closed; waits for that for at most `limit`.
/// (PR_SET_PDEATHSIG would do the same, but it fires when the thread ends that started us, and
/// the daemon may start helpers from any thread.)
pub(super) fn hung_up(limit: Duration) -> bool {
    let stdin = std::io::stdin();
    let stdin: BorrowedFd<'_> = stdin.as_fd();
    let mut watched = [PollFd::new(stdin, PollFlags::empty())];
    let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    match poll(&mut watched, limit) {
        Ok(0) | Err(Errno::EINTR) => false,
        Ok(_) => true,
        // Nothing sensible is left to wait for.
        Err(_) => true,
    }
}
