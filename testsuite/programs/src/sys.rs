//! The system calls that Rust has no safe word for.

use nix::unistd::{ForkResult, fork};

/// Splits the process in two; the child's id in the parent, nothing in the child. To be called
/// while there is one thread and no runtime: only then may the child do as it likes.
///
/// # Errors
/// As the system says. Also when there is more than one thread.
pub fn fork_alone() -> std::io::Result<Option<i32>> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(std::io::Error::other(format!(
            "{threads} threads cannot fork"
        )));
    }
    // SAFETY: checked above: no other thread exists whose locks or memory the child could find
    // half-way.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Some(child.as_raw())),
        ForkResult::Child => Ok(None),
    }
}

/// Closes standard input, output and error, so that who reads them sees their end. Nothing may be
/// printed afterwards.
pub fn close_standard_streams() {
    for descriptor in 0..=2 {
        // SAFETY: nothing in this process holds these as owned descriptors, and the caller prints
        // nothing any more.
        unsafe { libc::close(descriptor) };
    }
}

/// Ends the process without a word to anyone: no destructors, no buffers. For forked children,
/// whose parent has all of these too.
pub fn exit_at_once(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}
