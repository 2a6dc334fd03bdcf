//! The log of every program of this crate: levels, destinations and line format of upstream.
//!
//! `init` is called once; lines from `tracing` (the client library and its procedures) end here too, by
//! the map error, warn, info, debug, trace -> ERROR, WARNING, NOTICE, INFO, DEBUG.

mod bridge;
mod destination;
mod escape;

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ctdb_config::Level;
use destination::Destination;

/// Numbers of upstream's debug levels that have a name.
pub mod level {
    use ctdb_config::Level;

    /// ERROR
    pub const ERROR: i32 = Level::Error as i32;
    /// WARNING
    pub const WARNING: i32 = Level::Warning as i32;
    /// NOTICE
    pub const NOTICE: i32 = Level::Notice as i32;
    /// INFO
    pub const INFO: i32 = Level::Info as i32;
    /// DEBUG
    pub const DEBUG: i32 = Level::Debug as i32;
}

static LEVEL: AtomicI32 = AtomicI32::new(level::NOTICE);
static DESTINATION: OnceLock<Mutex<Destination>> = OnceLock::new();

/// The number of a level given as a number or as (the beginning of) a name, as `debug_level_parse`.
#[must_use]
pub fn parse_level(text: &str) -> Option<i32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().ok().filter(|n| *n <= level::DEBUG);
    }
    Level::parse(text).map(Level::number)
}

/// How often lines that syslog had no room for are sent again.
const DRAIN_EVERY: std::time::Duration = std::time::Duration::from_millis(200);
/// How many tries the last lines get.
const DRAINS_AT_END: u32 = 10;

/// The name of a level.
#[must_use]
pub fn level_name(number: i32) -> &'static str {
    Level::from_number(number).map_or("UNKNOWN", Level::name)
}

/// Opens the log of the program `program`, as `logging_init`.
///
/// `location` is `file:PATH`, `file:` (standard error, lines without header), `syslog` or
/// `syslog:nonblocking|udp|udp-rfc5424`.
///
/// # Errors
/// Text for standard error: the level or location means nothing.
pub fn init(program: &str, location: &str, level: &str) -> Result<(), String> {
    let number = parse_level(level).ok_or_else(|| format!("Invalid log level '{level}'"))?;
    set_level(number);
    let destination = Destination::open(program, location)?;
    ctdb_crash::report_to(destination.for_last_words());
    // A second call (in tests) keeps the first destination.
    let _ = DESTINATION.set(Mutex::new(destination));
    bridge::install();
    tdb::log_to(from_tdb);
    Ok(())
}

/// libtdb's levels are C's for its messages.
fn from_tdb(of: tdb::LogLevel, text: &str) {
    let number = match of {
        tdb::LogLevel::Fatal => level::ERROR,
        tdb::LogLevel::Error => level::WARNING,
        tdb::LogLevel::Warning => 2,
        tdb::LogLevel::Trace => level::INFO,
    };
    write(number, text);
}

/// Opens the log as the daemon above told us to, by CTDB_LOGGING and CTDB_DEBUGLEVEL.
///
/// # Errors
/// One of the two is missing or means nothing.
pub fn init_from_environment(program: &str) -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    init(
        program,
        &variable("CTDB_LOGGING")?,
        &variable("CTDB_DEBUGLEVEL")?,
    )
}

/// Writes one line to the system's log, whatever ours is: helps when ours is configured wrongly.
pub fn note_in_syslog(program: &str, text: &str) {
    if let Ok(mut syslog) = Destination::open(program, "syslog") {
        syslog.write(level::NOTICE, text);
    }
}

/// Lines above this number are dropped from now on.
pub fn set_level(number: i32) {
    LEVEL.store(number, Ordering::Relaxed);
}

/// The number set last.
#[must_use]
pub fn current_level() -> i32 {
    LEVEL.load(Ordering::Relaxed)
}

/// Whether a line of this level would be written.
#[must_use]
pub fn enabled(number: i32) -> bool {
    number <= current_level()
}

/// Writes one line (or several, under one header; see [`escape`] for what becomes of texts of others). Before [`init`] it goes to standard error.
pub fn write(number: i32, text: &str) {
    if !enabled(number) {
        return;
    }
    let text = text.trim_end_matches('\n');
    match DESTINATION.get() {
        Some(destination) => {
            destination
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(number, &escape::escape(text));
        }
        None => say(text),
    }
}

/// Writes a line of a procedure.
pub fn note(level: Level, text: &str) {
    write(level.number(), text);
}

/// Sends lines to syslog that it had no room for; false if some are left. The daemons do it regularly, so that
/// the last lines before a quiet time get there.
pub fn drain() -> bool {
    DESTINATION.get().is_none_or(|destination| {
        destination
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
    })
}

/// Drains the log regularly, for as long as the program runs.
pub async fn keep_draining() {
    loop {
        tokio::time::sleep(DRAIN_EVERY).await;
        drain();
    }
}

/// Before a program ends: gives the log daemon a moment to take the last lines.
pub fn drain_at_end() {
    for _ in 0..DRAINS_AT_END {
        if drain() {
            return;
        }
        std::thread::sleep(DRAIN_EVERY / 10);
    }
}

/// Writes a line to standard error, for programs without a log. Nobody may be left to read it: that is
/// no reason to die.
pub fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Opens the log file again after it was renamed; false if that failed.
pub fn reopen() -> bool {
    DESTINATION.get().is_none_or(|destination| {
        destination
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reopen()
    })
}

/// Writes a formatted line at level ERROR.
macro_rules! error {
    ($($argument:tt)*) => {
        if $crate::log::enabled($crate::log::level::ERROR) {
            $crate::log::write($crate::log::level::ERROR, &format!($($argument)*));
        }
    };
}

/// Writes a formatted line at level WARNING.
macro_rules! warning {
    ($($argument:tt)*) => {
        if $crate::log::enabled($crate::log::level::WARNING) {
            $crate::log::write($crate::log::level::WARNING, &format!($($argument)*));
        }
    };
}

/// Writes a formatted line at level NOTICE.
macro_rules! notice {
    ($($argument:tt)*) => {
        if $crate::log::enabled($crate::log::level::NOTICE) {
            $crate::log::write($crate::log::level::NOTICE, &format!($($argument)*));
        }
    };
}

/// Writes a formatted line at level INFO.
macro_rules! info {
    ($($argument:tt)*) => {
        if $crate::log::enabled($crate::log::level::INFO) {
            $crate::log::write($crate::log::level::INFO, &format!($($argument)*));
        }
    };
}

/// Writes a formatted line at level DEBUG.
macro_rules! debug {
    ($($argument:tt)*) => {
        if $crate::log::enabled($crate::log::level::DEBUG) {
            $crate::log::write($crate::log::level::DEBUG, &format!($($argument)*));
        }
    };
}

pub(crate) use {debug, error, info, notice, warning};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_numbers_or_prefixes_of_names() {
        assert_eq!(parse_level("NOTICE"), Some(3));
        assert_eq!(parse_level("deb"), Some(10));
        assert_eq!(parse_level("4"), Some(4));
        assert_eq!(parse_level("11"), None);
        assert_eq!(parse_level("loud"), None);
        assert_eq!(level_name(4), "NOTICE");
        assert_eq!(level_name(-1), "UNKNOWN");
    }
}
