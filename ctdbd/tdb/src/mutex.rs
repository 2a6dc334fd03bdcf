// SPDX-License-Identifier: GPL-3.0-or-later
//! Robust mutexes: whether this machine has them, who owns those of a file, and how to free
//! one whose owner is gone.
//!
//! The kernel frees the mutexes of a thread that ends, as long as they are still mapped there.
//! A process that unmaps the file first (by closing it with a lock held) leaves its thread's
//! number behind for good, and every later locker waits for ever: libtdb cannot notice.

use std::num::NonZeroI32;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bus;
use crate::error::{Error, Kind, Result};
use crate::file::{Tdb, errno, handle_list};

/// Whether robust, process-shared mutexes work here, so that `MUTEX_LOCKING` may be used.
///
/// The first call forks once and leaves a SIGCHLD handler behind that passes signals on to the
/// handler it found: ask early, before anything else cares about SIGCHLD.
pub fn robust_mutexes_work() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let _list = handle_list();
        // SAFETY: no arguments; the forked child only touches a page shared with us and exits.
        unsafe { tdb_sys::tdb_runtime_check_for_robust_mutexes() }
    })
}

// Layout of the area in front of a file with mutexes: a copy of the header, the allrecord
// mutex, a short, then one mutex for the freelist and one per chain.
const HEADER_SIZE: usize = 168;
const MUTEX_SIZE: usize = size_of::<libc::pthread_mutex_t>();
const ALIGN: usize = align_of::<libc::pthread_mutex_t>();
const ALL_AT: usize = HEADER_SIZE.next_multiple_of(ALIGN);
const FREELIST_AT: usize =
    (ALL_AT + MUTEX_SIZE + size_of::<libc::c_short>()).next_multiple_of(ALIGN);

// Bits of a mutex's first word, as the kernel's robust futex interface fixes them.
const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const OWNER_MASK: u32 = 0x3fff_ffff;

/// Bytes of the area in a file with so many chains.
const fn area_size(chains: u32) -> usize {
    FREELIST_AT + MUTEX_SIZE * (chains as usize + 1)
}

/// The same, for whoever counts space.
pub(crate) fn area_bytes(chains: u32) -> u64 {
    area_size(chains) as u64
}

/// One of a file's mutexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one of the allrecord lock.
    All,
    /// The one of the freelist.
    Freelist,
    /// The one of a chain.
    Chain(u32),
}

/// The mutexes of an open file, mapped a second time so that another thread can look at them
/// while the handle's thread waits in libtdb.
#[derive(Debug)]
pub struct MutexArea {
    start: NonNull<u8>,
    size: usize,
    chains: u32,
}

// SAFETY: all access goes through atomic words in a shared mapping which this value owns.
unsafe impl Send for MutexArea {}
// SAFETY: as above.
unsafe impl Sync for MutexArea {}

impl Tdb {
    /// The file's mutexes, or `None` if it uses fcntl locks.
    pub fn mutex_area(&self) -> Result<Option<MutexArea>> {
        let flags = crate::TdbFlags::MUTEX_LOCKING;
        let Some(fd) = self.fd().filter(|_| self.flags().contains(flags)) else {
            return Ok(None);
        };
        let chains = self.hash_size();
        let size = area_size(chains);
        // SAFETY: plain data; fstat writes to it only.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open as long as it is borrowed.
        if unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) } != 0 {
            return Err(Error::new(self.path(), "fstat", Kind::Io, errno()));
        }
        // Whoever touches what lies behind the end of a file is killed.
        if usize::try_from(stat.st_size).is_ok_and(|length| length < size) {
            return Err(Error::new(self.path(), "mmap", Kind::Corrupt, 0));
        }
        // SAFETY: a new mapping of an open file; nothing else is touched.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::new(self.path(), "mmap", Kind::Io, errno()));
        }
        let start = NonNull::new(start.cast()).expect("mmap never answers with null");
        Ok(Some(MutexArea {
            start,
            size,
            chains,
        }))
    }
}

impl MutexArea {
    /// The thread that owns a mutex, as the kernel numbers it; `None` if the mutex is free, is
    /// marked as left by a dead owner, or does not exist.
    pub fn owner(&self, which: Which) -> Option<NonZeroI32> {
        let word = self.word(which)?;
        let (word, missed) = bus::guarded(|| word.load(Ordering::SeqCst));
        if missed > 0 || word & OWNER_DIED != 0 {
            return None;
        }
        NonZeroI32::new((word & OWNER_MASK).cast_signed())
    }

    /// All mutexes that a thread owns, in order.
    pub fn owned(&self) -> impl Iterator<Item = (Which, NonZeroI32)> {
        let chains = (0..self.chains).map(Which::Chain);
        [Which::All, Which::Freelist]
            .into_iter()
            .chain(chains)
            .filter_map(|which| Some((which, self.owner(which)?)))
    }

    /// Marks a mutex of `owner`, a thread that is gone, as left by a dead owner and wakes one
    /// waiter, which then gets it: what the kernel does when a thread ends. False if `owner`
    /// does not own it any more.
    ///
    /// The caller must be sure that the thread is gone; otherwise two own the lock.
    pub fn release_dead(&self, which: Which, owner: NonZeroI32) -> bool {
        let Some(word) = self.word(which) else {
            return false;
        };
        let (held, missed) = bus::guarded(|| word.load(Ordering::SeqCst));
        if missed > 0 || held & OWNER_DIED != 0 || held & OWNER_MASK != owner.get().cast_unsigned()
        {
            return false;
        }
        let left = (held & WAITERS) | OWNER_DIED;
        let swapped = word.compare_exchange(held, left, Ordering::SeqCst, Ordering::SeqCst);
        if swapped.is_err() {
            return false;
        }
        // SAFETY: the word is mapped; FUTEX_WAKE reads nothing else. The mutexes are shared
        // between processes, so this is not the private variant.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
        true
    }

    fn word(&self, which: Which) -> Option<&AtomicU32> {
        let at = match which {
            Which::All => ALL_AT,
            Which::Freelist => FREELIST_AT,
            Which::Chain(chain) if chain < self.chains => {
                FREELIST_AT + MUTEX_SIZE * (chain as usize + 1)
            }
            Which::Chain(_) => return None,
        };
        debug_assert!(at + MUTEX_SIZE <= self.size);
        // SAFETY: `at` is inside the mapping and aligned for a mutex, whose first word is the
        // futex word that all processes change atomically.
        Some(unsafe { AtomicU32::from_ptr(self.start.add(at).cast().as_ptr()) })
    }
}

impl Drop for MutexArea {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}
