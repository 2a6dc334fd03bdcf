//! File descriptors that a parent process hands down by number.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// Writes all of `bytes` to an inherited descriptor and leaves it open.
///
/// # Errors
/// The descriptor is not open for writing, or nobody reads.
pub fn write_to(fd: i32, bytes: &[u8]) -> io::Result<()> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the file is never dropped, so nothing is closed; if nobody handed the number down, the
    // write fails with EBADF or goes where the caller said.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.write_all(bytes)
}

/// Keeps an inherited descriptor away from programs that this process runs.
///
/// # Errors
/// The descriptor is not open.
pub fn close_on_exec(fd: i32) -> io::Result<()> {
    // SAFETY: F_SETFD takes a number and touches no memory; a number that is not open is an error.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
