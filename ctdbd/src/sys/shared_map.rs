// SPDX-License-Identifier: GPL-3.0-or-later
//! The beginning of a file, mapped into memory that other processes change at any moment: its bytes,
//! and the robust mutexes that tdb keeps there.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

/// Where glibc keeps the owner of a mutex: after the lock word and the recursion counter.
const OWNER_AT: usize = 8;

/// A mapping shared with every process that maps the same file; unmapped when dropped.
#[derive(Debug)]
pub struct SharedMap {
    start: *mut u8,
    len: usize,
}

/// What trying to take a mutex showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutexState {
    /// Nobody has it.
    Free,
    /// The thread with this id has it.
    Held(i32),
    /// Its owner had died; now it is usable again.
    Cleaned,
    /// Its owner had died and the mutex could not be made usable: error number.
    Inconsistent(i32),
    /// Its owner had died and the mutex could not be released afterwards: error number.
    Stuck(i32),
    /// Trying failed with this error number.
    Failed(i32),
}

impl SharedMap {
    /// Maps the first `len` bytes of a file that is open for reading and writing.
    ///
    /// # Errors
    /// What mmap says, or `InvalidInput` for a file that is shorter: touching what lies behind its
    /// end would kill the process.
    pub fn new(file: &File, len: usize) -> io::Result<Self> {
        if len == 0 || file.metadata()?.len() < len as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new mapping at an address that the kernel chooses overlaps no other memory; the
        // descriptor is open as long as `file` is borrowed and is not needed afterwards.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = start.cast();
        Ok(Self { start, len })
    }

    /// The byte at `at`; `None` behind the end.
    #[must_use]
    pub fn byte(&self, at: usize) -> Option<u8> {
        // SAFETY: `at` is inside the mapping; volatile, because other processes write there.
        (at < self.len).then(|| unsafe { self.start.add(at).read_volatile() })
    }

    /// Sets the byte at `at`; does nothing behind the end.
    pub fn set_byte(&self, at: usize, value: u8) {
        if at < self.len {
            // SAFETY: as in `byte`; the mapping is writable.
            unsafe { self.start.add(at).write_volatile(value) }
        }
    }

    /// Tries the robust mutex at `at`, and gives it back at once if it was free. A mutex whose owner
    /// has died is repaired. `None` if there is no whole, aligned mutex at `at`.
    #[must_use]
    pub fn probe_mutex(&self, at: usize) -> Option<MutexState> {
        let end = at.checked_add(size_of::<libc::pthread_mutex_t>())?;
        if end > self.len || !at.is_multiple_of(align_of::<libc::pthread_mutex_t>()) {
            return None;
        }
        // SAFETY: inside the mapping, whose start is aligned to a page.
        let mutex: *mut libc::pthread_mutex_t = unsafe { self.start.add(at) }.cast();
        // SAFETY: the pointer is valid and aligned, and the mapping outlives the call; whether it is
        // an initialised mutex depends on the file, of which the caller has checked the header.
        Some(match unsafe { libc::pthread_mutex_trylock(mutex) } {
            0 => match release(mutex) {
                0 => MutexState::Free,
                error => MutexState::Stuck(error),
            },
            libc::EOWNERDEAD => repair(mutex),
            libc::EBUSY => MutexState::Held(self.owner(at)),
            error => MutexState::Failed(error),
        })
    }

    fn owner(&self, at: usize) -> i32 {
        let byte = |i| self.byte(at + OWNER_AT + i).unwrap_or(0);
        i32::from_ne_bytes(std::array::from_fn(byte))
    }
}

fn repair(mutex: *mut libc::pthread_mutex_t) -> MutexState {
    // SAFETY: as in `probe_mutex`; this thread has just locked it.
    let consistent = unsafe { libc::pthread_mutex_consistent(mutex) };
    if consistent != 0 {
        return MutexState::Inconsistent(consistent);
    }
    match release(mutex) {
        0 => MutexState::Cleaned,
        error => MutexState::Stuck(error),
    }
}

fn release(mutex: *mut libc::pthread_mutex_t) -> i32 {
    // SAFETY: as in `probe_mutex`; this thread has locked it.
    unsafe { libc::pthread_mutex_unlock(mutex) }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `new` made; no reference into it exists.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}
