//! What a process does to itself.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use nix::unistd::ForkResult;

/// Continues in a child; the parent ends with exit code 0 without running anything more.
///
/// # Errors
/// The system has no room for another process.
pub fn continue_in_child() -> io::Result<()> {
    // SAFETY: called from boot before any thread, runtime or lock exists, so the child may run anything.
    match unsafe { nix::unistd::fork() }? {
        // SAFETY: _exit has no preconditions; nothing buffered may be written twice.
        ForkResult::Parent { .. } => unsafe { libc::_exit(0) },
        ForkResult::Child => Ok(()),
    }
}

/// Takes the lowest real-time priority (SCHED_FIFO 1); children start with the normal one.
///
/// # Errors
/// The process may not do so.
pub fn become_realtime() -> io::Result<()> {
    // SAFETY: `sched_param` is plain data.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = 1;
    // SAFETY: pid 0 is this process; the pointer is to a live local.
    let result = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const parameter,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Keeps what this process uses by now from being swapped out. Pages that it has not touched yet stay
/// where they are: locking them would only cost memory.
///
/// # Errors
/// The process may not do so, or not for so much.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: takes flags and touches no memory of ours.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_ONFAULT) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes SIGTERM come to this process when its parent ends, and fails if the parent is gone already.
///
/// # Errors
/// `parent` is not the parent any more.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and touches no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if std::os::unix::process::parent_id() == parent {
        Ok(())
    } else {
        Err(io::Error::other("the parent process has ended"))
    }
}

/// A descriptor of a process, readable once the process has ended.
///
/// # Errors
/// There is no such process, or the kernel (before 5.3) or a sandbox does not know the call.
pub fn process_descriptor(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    // SAFETY: the kernel has just made this descriptor, and nothing else knows it.
    fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .ok_or_else(io::Error::last_os_error)
}

/// Sets a variable for this process and its later children.
pub fn export(name: &str, value: &str) {
    // SAFETY: called from boot while the process has one thread, so nobody reads the environment.
    unsafe { std::env::set_var(name, value) };
}

/// Ends the process at once: no destructor runs, no thread is waited for.
pub fn end_at_once(code: u8) -> ! {
    // SAFETY: _exit has no preconditions and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Ignores a signal from now on.
pub fn ignore_signal(signal: nix::sys::signal::Signal) {
    // SAFETY: SIG_IGN installs no handler.
    let _ = unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigIgn) };
}
