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
