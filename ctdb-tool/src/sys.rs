// SPDX-License-Identifier: GPL-3.0-or-later
//! The few system calls that std and nix do not offer safely: signals, local time, raw tickles.
#![allow(
    unsafe_code,
    reason = "the only place of this crate that talks to libc directly"
)]

use std::io;

const EXCEEDED: &[u8] = b"Maximum runtime exceeded - exiting\n";

/// A broken pipe ends the program silently, as it ends every C program (`ctdb listvars | head -1`).
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL is a valid disposition and no other thread exists yet.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Ends the whole process group and this program (exit status 1) after `seconds`; 0 means never.
/// Answers to upstream's `alarm_handler`: the children, e.g. of `ctdb event`, end with us.
pub fn end_after(seconds: u32) {
    // SAFETY: the handlers below only use async-signal-safe calls.
    unsafe {
        libc::signal(libc::SIGALRM, on_alarm as *const () as libc::sighandler_t);
        libc::alarm(seconds);
    }
}

extern "C" fn on_alarm(_signal: libc::c_int) {
    // SAFETY: signal, kill and _exit are async-signal-safe. kill(0) reaches this process too, whose
    // handler writes the message.
    unsafe {
        libc::signal(
            libc::SIGTERM,
            on_terminate as *const () as libc::sighandler_t,
        );
        libc::kill(0, libc::SIGTERM);
        libc::_exit(1);
    }
}

extern "C" fn on_terminate(_signal: libc::c_int) {
    // SAFETY: write is async-signal-safe and the buffer is static.
    unsafe { libc::write(2, EXCEEDED.as_ptr().cast(), EXCEEDED.len()) };
}

/// Makes this process the leader of a new group, so that [`end_after`] does not reach whoever started it.
pub fn own_process_group() {
    // SAFETY: no memory is involved; failure (already a leader) changes nothing.
    unsafe { libc::setpgid(0, 0) };
}

/// Passes a variable on to the helpers we start.
pub fn set_environment(name: &str, value: &str) {
    // SAFETY: called at start, before any thread exists.
    unsafe { std::env::set_var(name, value) };
}

/// Calendar fields of a time in the local zone, as C's `struct tm` has them.
pub struct LocalTime {
    /// Full year, e.g. 2026.
    pub year: i32,
    /// 0 to 11.
    pub month: usize,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
    /// 0 is Sunday.
    pub weekday: usize,
}

/// Seconds since 1970 in the zone that TZ names.
pub fn local_time(seconds: i64) -> LocalTime {
    // SAFETY: an all-zero tm is valid, and localtime_r fills it or leaves it.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        let seconds = seconds as libc::time_t;
        libc::localtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    LocalTime {
        year: tm.tm_year.saturating_add(1900),
        month: usize::try_from(tm.tm_mon).unwrap_or(0),
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        weekday: usize::try_from(tm.tm_wday).unwrap_or(0),
    }
}

/// Opens a raw socket that sends whole IPv4 packets, or TCP segments over IPv6.
pub fn raw_socket(ipv6: bool) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let (family, protocol) = if ipv6 {
        (libc::AF_INET6, libc::IPPROTO_TCP)
    } else {
        (libc::AF_INET, libc::IPPROTO_RAW)
    };
    // SAFETY: plain system call; a valid descriptor is ours alone.
    unsafe {
        let fd = libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(std::os::fd::OwnedFd::from_raw_fd(fd))
    }
}

/// Binds a TCP port of all IPv4 addresses and lets go of it. Unlike std's listener without SO_REUSEADDR,
/// which would let a port pass that a closing connection still holds.
pub fn bind_tcp4(port: u16) -> io::Result<()> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    // SAFETY: plain system calls; the address lives longer than the call, a valid descriptor is ours alone.
    unsafe {
        let fd = libc::socket(
            libc::AF_INET,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            libc::IPPROTO_TCP,
        );
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = OwnedFd::from_raw_fd(fd);
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        match libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Sends a packet to an address through a raw socket.
pub fn send_to(
    fd: std::os::fd::RawFd,
    packet: &[u8],
    to: std::net::SocketAddr,
) -> io::Result<usize> {
    // SAFETY: the storage is zeroed, large enough for either family, and outlives the call.
    let sent = unsafe {
        let mut storage: libc::sockaddr_storage = std::mem::zeroed();
        let length = match to {
            std::net::SocketAddr::V4(to) => {
                let address: *mut libc::sockaddr_in = (&raw mut storage).cast();
                (*address).sin_family = libc::AF_INET as libc::sa_family_t;
                (*address).sin_port = to.port().to_be();
                (*address).sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            std::net::SocketAddr::V6(to) => {
                let address: *mut libc::sockaddr_in6 = (&raw mut storage).cast();
                (*address).sin6_family = libc::AF_INET6 as libc::sa_family_t;
                (*address).sin6_port = to.port().to_be();
                (*address).sin6_addr.s6_addr = to.ip().octets();
                (*address).sin6_scope_id = to.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        };
        libc::sendto(
            fd,
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const storage).cast(),
            length as libc::socklen_t,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
