//! Clocks and calendar.

use nix::time::{ClockId, clock_gettime};

/// A point of the calendar in the machine's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Full year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 60.
    pub second: u32,
    /// Seconds east of Greenwich.
    pub offset_s: i64,
}

/// Microseconds on a clock that never goes back.
#[must_use]
pub fn monotonic_us() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Microseconds since 1970 in UTC.
#[must_use]
pub fn wall_us() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> u64 {
    // Neither clock can fail on Linux; a zero would only show up in logs.
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec() as u64 * 1_000_000 + t.tv_nsec() as u64 / 1_000
    })
}

/// The calendar at `unix_s` in the machine's time zone.
#[must_use]
pub fn local_time(unix_s: i64) -> LocalTime {
    let time: libc::time_t = unix_s;
    // SAFETY: `tm` is plain data, all zeroes is a valid value (its zone pointer may be null).
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals; localtime_r writes to the second only.
    unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    point(&parts)
}

/// The calendar at `unix_s` in UTC.
#[must_use]
pub fn utc(unix_s: i64) -> LocalTime {
    let time: libc::time_t = unix_s;
    // SAFETY: as in `local_time`.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: as in `local_time`.
    unsafe { libc::gmtime_r(&raw const time, &raw mut parts) };
    point(&parts)
}

fn point(parts: &libc::tm) -> LocalTime {
    LocalTime {
        year: parts.tm_year.saturating_add(1900),
        month: parts.tm_mon.unsigned_abs() + 1,
        day: parts.tm_mday.unsigned_abs(),
        hour: parts.tm_hour.unsigned_abs(),
        minute: parts.tm_min.unsigned_abs(),
        second: parts.tm_sec.unsigned_abs(),
        offset_s: parts.tm_gmtoff,
    }
}
