// SPDX-License-Identifier: GPL-3.0-or-later
//! The calls that led to a fatal signal.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::ptr;

use super::sink;
use crate::line::Line;

const FRAMES: usize = 64;

/// The first unwinding loads a library: not in a handler.
pub(super) fn prepare() {
    let mut frames = [ptr::null_mut(); 1];
    // SAFETY: room for one pointer.
    unsafe { libc::backtrace(frames.as_mut_ptr(), 1) };
}

/// Writes one line for each frame: file and offset, which addr2line turns into a line of the source, and the
/// function where the file exports it.
pub(super) fn write() {
    let mut frames = [ptr::null_mut(); FRAMES];
    // SAFETY: room for as many pointers as it is told.
    let n = unsafe { libc::backtrace(frames.as_mut_ptr(), FRAMES as libc::c_int) };
    let frames = &frames[..usize::try_from(n).unwrap_or(0)];
    let mut line = Line::new();
    let _ = write!(line, "BACKTRACE: {} stack frames:", frames.len());
    sink::emit_bytes(line.bytes());
    for (number, frame) in frames.iter().enumerate() {
        let mut line = Line::new();
        let _ = write!(line, " #{number} ");
        describe(&mut line, *frame);
        sink::emit_bytes(line.bytes());
    }
}

fn describe(line: &mut Line, frame: *mut libc::c_void) {
    // SAFETY: all zeroes (null pointers) is a valid value.
    let mut place: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; the answer is written to a live local.
    if unsafe { libc::dladdr(frame, &raw mut place) } != 0 && !place.dli_fname.is_null() {
        // SAFETY: names of loaded files are NUL-terminated and stay as long as the file is loaded.
        line.push(unsafe { CStr::from_ptr(place.dli_fname) }.to_bytes());
        let _ = write!(line, "(");
        let base = if place.dli_sname.is_null() {
            place.dli_fbase
        } else {
            // SAFETY: as for the file's name.
            line.push(unsafe { CStr::from_ptr(place.dli_sname) }.to_bytes());
            place.dli_saddr
        };
        let _ = write!(
            line,
            "+{:#x}) ",
            (frame as usize).wrapping_sub(base as usize)
        );
    }
    let _ = write!(line, "[{:#x}]", frame as usize);
}
