// SPDX-License-Identifier: GPL-3.0-or-later
//! What libtdb has to say. Its error codes name neither the file nor the system's error; its messages do.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char};
use std::sync::{Once, OnceLock};

use crate::file::errno;

/// How bad a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// The file is damaged.
    Fatal,
    /// An operation fails.
    Error,
    /// Something odd that is dealt with.
    Warning,
    /// For debugging.
    Trace,
}

/// Where messages go.
pub type LogFunction = fn(LogLevel, &str);

static FUNCTION: OnceLock<LogFunction> = OnceLock::new();

thread_local! {
    /// The last complaint of the operation that runs, and the system's error at that moment.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
    static LAST_OS: Cell<i32> = const { Cell::new(0) };
}

/// Gives libtdb's messages to `function` from now on; the first call counts.
pub fn log_to(function: LogFunction) {
    let _ = FUNCTION.set(function);
}

/// What a handle is opened with.
pub(crate) fn context() -> tdb_sys::tdb_logging_context {
    static LISTEN: Once = Once::new();
    // SAFETY: the function has the type that the C side calls, and lives for ever.
    LISTEN.call_once(|| unsafe { tdb_sys::tdb_sys_log_to(Some(heard)) });
    tdb_sys::tdb_logging_context {
        log_fn: Some(tdb_sys::tdb_sys_log),
        log_private: std::ptr::null_mut(),
    }
}

/// Forgets what earlier operations complained about.
pub(crate) fn begin() {
    LAST_OS.set(0);
    LAST.with_borrow_mut(String::clear);
}

/// What the operation complained about last, without the name of the function in front, and errno then.
pub(crate) fn complaint() -> (Option<String>, i32) {
    let text = LAST.with_borrow(|text| (!text.is_empty()).then(|| text.clone()));
    (text, LAST_OS.get())
}

/// # Safety
/// `line` is a NUL-terminated string.
unsafe extern "C" fn heard(level: i32, line: *const c_char) {
    let os = errno();
    // SAFETY: promised by the caller.
    let line = unsafe { CStr::from_ptr(line) }.to_string_lossy();
    let line = line.trim_end();
    let level = match level {
        0 => LogLevel::Fatal,
        1 => LogLevel::Error,
        2 => LogLevel::Warning,
        _ => LogLevel::Trace,
    };
    if level != LogLevel::Trace {
        if os != 0 {
            LAST_OS.set(os);
        }
        LAST.with_borrow_mut(|last| {
            last.clear();
            last.push_str(line);
        });
    }
    if let Some(function) = FUNCTION.get() {
        function(level, line);
    }
    // libtdb's callers look at errno after its message.
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = os };
}
