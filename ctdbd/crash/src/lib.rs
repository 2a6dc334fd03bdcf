// SPDX-License-Identifier: GPL-3.0-or-later
//! What a program of this package says when a panic, a failed allocation or a fatal signal ends it.
//!
//! [`install`] is the first call of every `main`; [`report_to`] tells where the log is, once there is one. The
//! report names program, version, process, thread and reason, and has a backtrace. Then the signal takes its
//! course: exit status and core dump are as without us.
//!
//! Upstream: `fault_setup` and `smb_panic_log` of `lib/util/fault.c`.

mod line;
mod sys;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use sys::Sink;

/// Frames of a panic's backtrace that are written, two lines each.
const BACKTRACE_LINES: usize = 200;

static PROGRAM: OnceLock<&'static str> = OnceLock::new();
/// Somebody has begun to report: what follows (the abort after a panic) has nothing to add.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Where the log of this program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// Lines with time, host and program are appended to this file.
    File {
        /// Its path.
        path: std::path::PathBuf,
        /// What lines call this machine.
        hostname: String,
        /// Seconds east of Greenwich that their time stamps are.
        offset_s: i64,
    },
    /// The system's log.
    Syslog,
    /// Standard error.
    StandardError,
}

/// Makes panics and fatal signals leave a report. It goes to standard error until [`report_to`] is called.
pub fn install(program: &'static str) {
    let _ = PROGRAM.set(program);
    std::panic::set_hook(Box::new(panicked));
    sys::handle_signals();
    if std::env::var_os("CTDB_TEST_MODE").is_some() {
        die_for_a_test("");
    }
}

/// From now on reports go to the program's log.
pub fn report_to(log: Log) {
    sys::set_sink(match log {
        Log::File {
            path,
            hostname,
            offset_s,
        } => Sink::file(&path, hostname, offset_s),
        Log::Syslog => Sink::Syslog,
        Log::StandardError => Sink::StandardError,
    });
    if std::env::var_os("CTDB_TEST_MODE").is_some() {
        die_for_a_test("log-");
    }
}

/// Asks `rescuer` before a SIGBUS ends the program: with true it has put memory behind the address.
pub fn rescue_bus_errors(rescuer: fn(usize) -> bool) {
    sys::rescue_with(rescuer);
}

fn program() -> &'static str {
    PROGRAM.get().copied().unwrap_or("ctdb")
}

fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    if REPORTED.swap(true, Ordering::SeqCst) {
        return;
    }
    let thread = std::thread::current();
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" at {place}"));
    sys::emit(&format!(
        "INTERNAL ERROR: panic{place}: {message} in {} {} pid {} thread {}",
        program(),
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        thread.name().unwrap_or("without a name"),
    ));
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    for line in trace.lines().take(BACKTRACE_LINES) {
        sys::emit(line);
    }
}

/// How tests see each end of each program: CTDB_TEST_DIE says in which way it ends right here. `stage` is in
/// front of the way: nothing at the start of the program, `log-` once it has a log.
fn die_for_a_test(stage: &str) {
    let Ok(wanted) = std::env::var("CTDB_TEST_DIE") else {
        return;
    };
    match wanted.strip_prefix(stage) {
        Some("panic") => panic!("a test wants it"),
        Some("memory") => drop(std::hint::black_box(vec![1_u8; isize::MAX as usize])),
        Some("overflow") => drop(deeper(1)),
        Some("wait") => loop {
            std::thread::park();
        },
        _ => {}
    }
}

/// Uses the stack up.
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let here = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + here[0]
}
