//! Where log lines go, and what they look like there.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::sys::clock;

/// Facility `daemon` of the syslog protocol.
const FACILITY_DAEMON: u32 = 3 << 3;
const SYSLOG_SOCKET: &str = "/dev/log";
/// RFC 3164 limits a packet to this many bytes.
const SYSLOG_PACKET_BYTES: usize = 1024;

/// An open log.
pub(super) struct Destination {
    program: String,
    hostname: String,
    sink: Sink,
}

enum Sink {
    /// Lines without header.
    StandardError,
    File {
        path: PathBuf,
        file: File,
    },
    Syslog(Syslog),
}

/// How a syslog packet is laid out.
#[derive(Clone, Copy)]
enum Layout {
    Rfc3164,
    Rfc5424,
}

struct Syslog {
    socket: SyslogSocket,
    layout: Layout,
    dropped: u32,
    /// Lines that the log daemon had no room for, oldest first.
    backlog: VecDeque<Vec<u8>>,
}

/// Lines that are kept for a log daemon that does not read; what comes then is dropped and counted.
const BACKLOG: usize = 2000;

enum SyslogSocket {
    /// Keeps lines while the log daemon has no room, and connects again when it was restarted, as syslog(3).
    /// Unlike that, it never waits.
    Patient(Option<UnixDatagram>),
    /// Drops lines while the log daemon has no room.
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Destination {
    /// Opens what `location` names.
    pub(super) fn open(program: &str, location: &str) -> Result<Self, String> {
        let (kind, option) = location.split_once(':').unwrap_or((location, ""));
        let failed = |e: std::io::Error| format!("Unable to log to {location}: {e}");
        let sink = match (kind, option) {
            ("file", "" | "-") => Sink::StandardError,
            ("file", path) => {
                let path = PathBuf::from(path);
                Sink::File {
                    file: append(&path).map_err(failed)?,
                    path,
                }
            }
            ("syslog", option) => Sink::Syslog(Syslog::open(option).map_err(failed)?),
            _ => return Err(format!("Invalid logging option '{location}'")),
        };
        Ok(Self {
            program: program.to_owned(),
            hostname: hostname(),
            sink,
        })
    }

    pub(super) fn write(&mut self, level: i32, text: &str) {
        // There is nobody to tell when a log line cannot be written.
        match &mut self.sink {
            Sink::StandardError => {
                let _ = writeln!(std::io::stderr().lock(), "{text}");
            }
            Sink::File { file, .. } => {
                let line = format!(
                    "{} {} {}[{}]: {text}\n",
                    time_stamp(clock::wall_us()),
                    self.hostname,
                    self.program,
                    std::process::id()
                );
                let _ = file.write_all(line.as_bytes());
            }
            Sink::Syslog(syslog) => syslog.write(&self.program, &self.hostname, level, text),
        }
    }

    /// Sends lines that were kept while the log daemon had no room. False if some are left.
    pub(super) fn drain(&mut self) -> bool {
        match &mut self.sink {
            Sink::Syslog(syslog) => {
                syslog.drain();
                syslog.backlog.is_empty()
            }
            Sink::StandardError | Sink::File { .. } => true,
        }
    }

    /// Where a report of this program's end belongs.
    pub(super) fn for_last_words(&self) -> ctdb_crash::Log {
        match &self.sink {
            Sink::StandardError => ctdb_crash::Log::StandardError,
            Sink::File { path, .. } => {
                let now_s = i64::try_from(clock::wall_us() / 1_000_000).unwrap_or(0);
                ctdb_crash::Log::File {
                    path: path.clone(),
                    hostname: self.hostname.clone(),
                    offset_s: clock::local_time(now_s).offset_s,
                }
            }
            Sink::Syslog(_) => ctdb_crash::Log::Syslog,
        }
    }

    pub(super) fn reopen(&mut self) -> bool {
        let Sink::File { path, file } = &mut self.sink else {
            return true;
        };
        match append(path) {
            Ok(new) => {
                *file = new;
                true
            }
            Err(_) => false,
        }
    }
}

impl Syslog {
    fn open(option: &str) -> std::io::Result<Self> {
        let (socket, layout) = match option {
            "" => (SyslogSocket::Patient(None), Layout::Rfc3164),
            "nonblocking" => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(SYSLOG_SOCKET)?;
                socket.set_nonblocking(true)?;
                (SyslogSocket::Unix(socket), Layout::Rfc3164)
            }
            "udp" => (SyslogSocket::Udp(udp()?), Layout::Rfc3164),
            "udp-rfc5424" => (SyslogSocket::Udp(udp()?), Layout::Rfc5424),
            _ => return Err(std::io::ErrorKind::InvalidInput.into()),
        };
        Ok(Self {
            socket,
            layout,
            dropped: 0,
            backlog: VecDeque::new(),
        })
    }

    fn write(&mut self, program: &str, hostname: &str, level: i32, text: &str) {
        let room = match self.socket {
            SyslogSocket::Patient(_) => BACKLOG,
            SyslogSocket::Unix(_) | SyslogSocket::Udp(_) => 1,
        };
        self.drain();
        if self.backlog.len() >= room {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let note = format!("[Dropped {} log messages]", self.dropped);
            self.dropped = 0;
            self.backlog
                .push_back(self.packet(program, hostname, level, &note));
        }
        self.backlog
            .push_back(self.packet(program, hostname, level, text));
        self.drain();
        if room == 1 && !self.backlog.is_empty() {
            // Without a backlog, what cannot be sent now is lost.
            self.dropped += u32::try_from(self.backlog.len()).unwrap_or(u32::MAX);
            self.backlog.clear();
        }
    }

    /// Sends what is kept, as far as there is room now.
    fn drain(&mut self) {
        while let Some(packet) = self.backlog.pop_front() {
            if !self.send(&packet) {
                return self.backlog.push_front(packet);
            }
        }
    }

    fn packet(&self, program: &str, hostname: &str, level: i32, text: &str) -> Vec<u8> {
        let priority = FACILITY_DAEMON | severity(level);
        let pid = std::process::id();
        let mut packet = match self.layout {
            Layout::Rfc3164 => format!("<{priority}>{program}[{pid}]: {text}"),
            Layout::Rfc5424 => {
                let stamp = time_stamp(clock::wall_us());
                format!("<{priority}>1 {stamp} {hostname} {program} {pid} - - {text}")
            }
        }
        .into_bytes();
        packet.truncate(SYSLOG_PACKET_BYTES - 1);
        packet
    }

    /// False only when the receiver has no room now.
    fn send(&mut self, packet: &[u8]) -> bool {
        let result = match &mut self.socket {
            SyslogSocket::Patient(socket) => return send_patiently(socket, packet),
            SyslogSocket::Unix(socket) => socket.send(packet),
            SyslogSocket::Udp(socket) => socket.send(packet),
        };
        !matches!(result, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// Sends as syslog(3): connects when needed, once more after a failure. False when there is no room now.
fn send_patiently(socket: &mut Option<UnixDatagram>, packet: &[u8]) -> bool {
    for _ in 0..2 {
        if socket.is_none() {
            let Ok(new) = UnixDatagram::unbound() else {
                return true;
            };
            // Connecting waits for nobody, but sending would.
            if new.connect(SYSLOG_SOCKET).is_err() || new.set_nonblocking(true).is_err() {
                return true;
            }
            *socket = Some(new);
        }
        match socket.as_ref().map(|socket| socket.send(packet)) {
            Some(Ok(_)) => return true,
            Some(Err(e)) if e.kind() == std::io::ErrorKind::WouldBlock => return false,
            _ => *socket = None,
        }
    }
    true
}

fn udp() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.connect(("127.0.0.1", 514))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .open(path)
}

/// Syslog severities: ERR 3, WARNING 4, NOTICE 5, INFO 6, DEBUG 7.
fn severity(level: i32) -> u32 {
    match level {
        0 => 3,
        1 => 4,
        2..=5 => 5,
        6..=9 => 6,
        _ => 7,
    }
}

/// `2026-11-22T10:00:00.000001+01:00`.
fn time_stamp(wall_us: u64) -> String {
    let t = clock::local_time(i64::try_from(wall_us / 1_000_000).unwrap_or(i64::MAX));
    let sign = if t.offset_s < 0 { '-' } else { '+' };
    let offset_min = t.offset_s.unsigned_abs() / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{sign}{:02}:{:02}",
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second,
        wall_us % 1_000_000,
        offset_min / 60,
        offset_min % 60
    )
}

/// The machine's name; in test mode the last part of CTDB_BASE, so that the log of several daemons on
/// one machine tells them apart.
fn hostname() -> String {
    if std::env::var_os("CTDB_TEST_MODE").is_some()
        && let Ok(base) = std::env::var("CTDB_BASE")
    {
        return match base.rsplit('/').next() {
            Some("") | None => "unknown".to_owned(),
            Some(last) => last.to_owned(),
        };
    }
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_microseconds_and_an_offset() {
        let stamp = time_stamp(1_700_000_000_000_042);
        assert_eq!(
            stamp.len(),
            "2023-11-14T22:13:20.000042+00:00".len(),
            "{stamp}"
        );
        assert!(stamp.contains(".000042"), "{stamp}");
    }

    #[test]
    fn locations_are_checked() {
        assert!(Destination::open("x", "file:").is_ok());
        assert!(Destination::open("x", "printer").is_err());
        assert!(Destination::open("x", "syslog:loud").is_err());
        assert!(Destination::open("x", "file:/nowhere/at/all").is_err());
    }
}
