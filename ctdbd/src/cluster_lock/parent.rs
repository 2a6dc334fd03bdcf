//! The daemon as a lock helper sees it: the process that started it and reads its standard output.

use std::io;
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getppid};

/// Who started this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parent(Pid);

impl Parent {
    /// To be called before anything else, while the parent is still whoever started us. That it is process 1
    /// proves nothing: in a container the daemon may be just that.
    pub(super) fn of_this_process() -> Self {
        Self(getppid())
    }

    /// Whether it is still there. One that ended before we looked is found by the pipe that nobody reads.
    pub(super) fn is_there(self) -> bool {
        getppid() == self.0 && !nobody_listens()
    }
}

/// Whether our standard output is a pipe without a reader.
fn nobody_listens() -> bool {
    let stdout = io::stdout();
    // Asked for nothing, an error is still reported.
    let mut watched = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut watched, PollTimeout::ZERO).is_ok() && watched[0].any().unwrap_or(false)
}
