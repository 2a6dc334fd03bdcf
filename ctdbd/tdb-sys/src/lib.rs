// SPDX-License-Identifier: GPL-3.0-or-later
//! Raw bindings of libtdb: the committed output of bindgen, and the log function in C that libtdb wants.
//!
//! `bindings.rs` is made by `ctdbd/tdb-sys/regenerate` from `wrapper.h`; `regenerate --check`
//! says whether it still agrees with the installed `tdb.h`. Only the crate `tdb` uses this one.
#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated names and declarations follow the C header"
)]

#[rustfmt::skip]
mod bindings;

pub use bindings::*;

// `log.c`.
unsafe extern "C" {
    pub fn tdb_sys_log_to(
        function: Option<unsafe extern "C" fn(level: i32, line: *const std::ffi::c_char)>,
    );
    pub fn tdb_sys_log(
        tdb: *mut tdb_context,
        level: tdb_debug_level,
        format: *const std::ffi::c_char,
        ...
    );
}
