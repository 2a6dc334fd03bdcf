// SPDX-License-Identifier: GPL-3.0-or-later
//! Where reports go. The log file is opened anew for every line: it works after a rename, and depends on no
//! state of a log that may be what crashed.

use std::ffi::CString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::line::{Line, Stamp};

const SYSLOG_SOCKET: &[u8] = b"/dev/log";
/// Facility daemon, severity error.
const SYSLOG_PRIORITY: u32 = (3 << 3) | 3;
/// How long a reader of standard error may take.
const STANDARD_ERROR_LIMIT_MS: libc::c_int = 100;

/// Null: standard error. A sink that was set is never freed.
static SINK: AtomicPtr<Sink> = AtomicPtr::new(ptr::null_mut());

#[derive(Debug)]
pub(crate) enum Sink {
    File {
        path: CString,
        hostname: String,
        offset_s: i64,
    },
    Syslog,
    StandardError,
}

impl Sink {
    /// A log file; standard error for a path that cannot be one.
    pub(crate) fn file(path: &Path, hostname: String, offset_s: i64) -> Self {
        CString::new(path.as_os_str().as_bytes()).map_or(Self::StandardError, |path| Self::File {
            path,
            hostname,
            offset_s,
        })
    }
}

pub(crate) fn set_sink(sink: Sink) {
    SINK.store(Box::into_raw(Box::new(sink)), Ordering::SeqCst);
}

/// Writes one line of a report.
pub(crate) fn emit(text: &str) {
    emit_bytes(text.as_bytes());
}

pub(super) fn emit_bytes(text: &[u8]) {
    // SAFETY: null or a pointer to a sink that is never changed or freed.
    let written = match unsafe { SINK.load(Ordering::SeqCst).as_ref() } {
        Some(Sink::File {
            path,
            hostname,
            offset_s,
        }) => to_file(path, hostname, *offset_s, text),
        Some(Sink::Syslog) => to_syslog(text),
        Some(Sink::StandardError) | None => false,
    };
    if !written {
        to_standard_error(text);
    }
}

fn to_file(path: &CString, hostname: &str, offset_s: i64, text: &[u8]) -> bool {
    let mut line = Line::new();
    // SAFETY: plain data; clock_gettime writes to it only.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    let stamp = Stamp {
        unix_s: time.tv_sec,
        microsecond: time.tv_nsec / 1000,
        offset_s,
    };
    let _ = write!(line, "{stamp} {hostname} ");
    head(&mut line);
    line.push(text);
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: the path is NUL-terminated.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_NONBLOCK, 0o640) };
    if fd < 0 {
        return false;
    }
    let written = write_all(fd, line.end());
    // SAFETY: opened above, used by nobody else.
    unsafe { libc::close(fd) };
    written
}

fn to_syslog(text: &[u8]) -> bool {
    let mut packet = Line::new();
    let _ = write!(packet, "<{SYSLOG_PRIORITY}>");
    head(&mut packet);
    packet.push(text);
    // SAFETY: plain data, all zeroes is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(SYSLOG_SOCKET) {
        *to = from.cast_signed();
    }
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    if fd < 0 {
        return false;
    }
    // SAFETY: buffer and address are live locals of the lengths that are given.
    let sent = unsafe {
        libc::sendto(
            fd,
            packet.bytes().as_ptr().cast(),
            packet.bytes().len(),
            libc::MSG_NOSIGNAL,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_un>() as libc::socklen_t,
        )
    };
    // SAFETY: opened above, used by nobody else.
    unsafe { libc::close(fd) };
    sent >= 0
}

/// Does not wait for a reader: it may be this process.
fn to_standard_error(text: &[u8]) {
    let mut line = Line::new();
    head(&mut line);
    line.push(text);
    let mut poll = libc::pollfd {
        fd: libc::STDERR_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one live pollfd.
    if unsafe { libc::poll(&raw mut poll, 1, STANDARD_ERROR_LIMIT_MS) } == 1 {
        write_all(libc::STDERR_FILENO, line.end());
    }
}

fn head(line: &mut Line) {
    // SAFETY: takes nothing and touches no memory.
    let pid = unsafe { libc::getpid() };
    let _ = write!(line, "{}[{pid}]: ", crate::program());
}

fn write_all(fd: libc::c_int, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the buffer is live and as long as is said.
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(n) {
            Ok(n) if n > 0 => bytes = &bytes[n..],
            _ => return false,
        }
    }
    true
}
