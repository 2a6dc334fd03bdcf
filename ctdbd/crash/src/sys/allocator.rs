// SPDX-License-Identifier: GPL-3.0-or-later
//! The system's allocator, except that it remembers what it could not give: std says that on a standard
//! error which nobody may read, and aborts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static REFUSED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Remembering = Remembering;

struct Remembering;

/// Size of the last allocation that failed; 0 if none did.
pub(super) fn refused_bytes() -> usize {
    REFUSED.load(Ordering::Relaxed)
}

fn seen(start: *mut u8, bytes: usize) -> *mut u8 {
    if start.is_null() {
        REFUSED.store(bytes, Ordering::Relaxed);
    }
    start
}

// SAFETY: every call is passed on to `System` with the caller's arguments, and its answer is passed back.
unsafe impl GlobalAlloc for Remembering {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        seen(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        seen(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`.
        seen(unsafe { System.realloc(start, layout, new_size) }, new_size)
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(start, layout) }
    }
}
