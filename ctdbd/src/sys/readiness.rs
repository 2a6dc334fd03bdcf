//! Readiness of sockets, as the runtime tells it.

use std::io;
use std::os::fd::OwnedFd;

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Tells of a socket's readiness of one kind; it must be non-blocking.
///
/// # Errors
/// The runtime cannot ask for it.
pub fn of_socket(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns one descriptor, keeps it open and never changes it while it lives, and
    // it lives as long as the value that owns it.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(|e| e.into_parts().1)
}

/// Tells of the readiness of any other descriptor.
///
/// # Errors
/// The runtime cannot ask for it.
pub fn of_descriptor(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one open descriptor for as long as it lives, and it lives as long as the
    // value that owns it.
    unsafe { AsyncFd::register(descriptor) }.map_err(|e| e.into_parts().1)
}
