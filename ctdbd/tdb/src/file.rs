// SPDX-License-Identifier: GPL-3.0-or-later
//! The handle: opening, closing, and what is asked of the file as a whole.

use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::flags::{OpenMode, TdbFlags};
use crate::{bus, log, reserve};

/// Why an operation could not reach a part of its file.
const MISSED: &str = "a part of the file cannot be reached: no space left, an error of the disk, or the file was cut";

/// libtdb keeps a process-wide list of handles without a lock of its own; whoever changes or
/// walks that list (open, close, the mutex probe) holds this.
static HANDLES: Mutex<()> = Mutex::new(());

pub(crate) fn handle_list() -> MutexGuard<'static, ()> {
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open database file. Dropping it closes the file and lets go of all its locks.
#[derive(Debug)]
pub struct Tdb {
    raw: NonNull<tdb_sys::tdb_context>,
    path: PathBuf,
    opened_with: TdbFlags,
    /// A callback is reading straight from the map: nothing may run that could move the map.
    pub(crate) lending: Cell<bool>,
    /// Pages of the map are not those of the file any more: nothing may be read or written until it is opened
    /// anew.
    lost: Cell<bool>,
    /// Not opened read-only.
    writable: bool,
}

// SAFETY: libtdb keeps no thread-local state and the process-wide list is guarded by
// `HANDLES`. `Tdb` is not `Sync` (raw pointer, `Cell`), so only one thread uses a handle at a
// time, and guards borrow the handle, so it does not move while one is alive.
unsafe impl Send for Tdb {}

impl Tdb {
    /// Opens `path`. `hash_size` counts for a new or wiped file only; 0 takes libtdb's default.
    pub fn open(
        path: impl AsRef<Path>,
        hash_size: u32,
        flags: TdbFlags,
        mode: OpenMode,
    ) -> Result<Self> {
        let path = path.as_ref();
        let invalid = || Error::new(path, "open", Kind::Invalid, libc::EINVAL);
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| invalid())?;
        let hash_size = i32::try_from(hash_size).map_err(|_| invalid())?;

        if mode.open_flags() & libc::O_CREAT != 0 {
            reserve::check(path, hash_size.cast_unsigned(), flags).map_err(|e| {
                Error::new(
                    path,
                    "open",
                    Kind::Io,
                    e.raw_os_error().unwrap_or(libc::EIO),
                )
            })?;
        }
        let context = log::context();
        let _list = handle_list();
        clear_errno();
        log::begin();
        // SAFETY: `name` and the log context, which libtdb copies, outlive the call; a null hash function means
        // libtdb's own.
        let (raw, missed) = bus::guarded(|| unsafe {
            tdb_sys::tdb_open_ex(
                name.as_ptr(),
                hash_size,
                flags.bits().cast_signed(),
                mode.open_flags(),
                mode.permissions(),
                &raw const context,
                None,
            )
        });
        let os = errno();
        let raw = NonNull::new(raw).ok_or_else(|| open_failed(path, os, missed))?;
        let file = Self {
            raw,
            path: path.to_owned(),
            opened_with: flags,
            lending: Cell::new(false),
            lost: Cell::new(false),
            writable: mode.open_flags() & libc::O_ACCMODE != libc::O_RDONLY,
        };
        if missed > 0 {
            return Err(open_failed(path, libc::EIO, missed));
        }
        Ok(file)
    }

    /// A database in memory, for tests and scratch work.
    pub fn in_memory(hash_size: u32, flags: TdbFlags) -> Result<Self> {
        Self::open(
            "memory",
            hash_size,
            flags | TdbFlags::INTERNAL,
            OpenMode::Create,
        )
    }

    /// The name it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The flags it was opened with, as given.
    pub fn opened_with(&self) -> TdbFlags {
        self.opened_with
    }

    /// The file's descriptor. Never close it or another descriptor of the same file: that
    /// would drop every fcntl lock of the process on it.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the handle is open.
        let fd: RawFd = unsafe { tdb_sys::tdb_fd(self.raw()) };
        // SAFETY: libtdb keeps the descriptor open as long as the handle, which is borrowed.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Number of hash chains.
    pub fn hash_size(&self) -> u32 {
        // SAFETY: the handle is open; this reads one field.
        unsafe { tdb_sys::tdb_hash_size(self.raw()) }.cast_unsigned()
    }

    /// The flags in force.
    pub fn flags(&self) -> TdbFlags {
        // SAFETY: as for `hash_size`.
        TdbFlags::from_bits_retain(unsafe { tdb_sys::tdb_get_flags(self.raw()) }.cast_unsigned())
    }

    /// Switches flags on for this handle.
    pub fn add_flags(&self, flags: TdbFlags) {
        // SAFETY: the handle is open; any bit set is accepted.
        unsafe { tdb_sys::tdb_add_flags(self.raw(), flags.bits()) }
    }

    /// Switches flags off for this handle.
    pub fn remove_flags(&self, flags: TdbFlags) {
        // SAFETY: as for `add_flags`.
        unsafe { tdb_sys::tdb_remove_flags(self.raw(), flags.bits()) }
    }

    /// How many dead records a chain may keep for reuse.
    pub fn set_max_dead(&self, max_dead: u32) {
        let max_dead = i32::try_from(max_dead).unwrap_or(i32::MAX);
        // SAFETY: the handle is open; this sets one field.
        unsafe { tdb_sys::tdb_set_max_dead(self.raw(), max_dead) }
    }

    /// The header's change counter (counts only while `SEQNUM` is on somewhere).
    pub fn seqnum(&self) -> u32 {
        // SAFETY: the handle is open; the map may move, so not from inside a lending callback.
        if self.lending.get() {
            return 0;
        }
        // SAFETY: see above.
        self.count_any(|raw| unsafe { tdb_sys::tdb_get_seqnum(raw) })
            .cast_unsigned()
    }

    /// Makes this handle count changes in the header.
    pub fn enable_seqnum(&self) {
        // SAFETY: the handle is open; this sets one flag.
        unsafe { tdb_sys::tdb_enable_seqnum(self.raw()) }
    }

    /// Adds one to the change counter, if `SEQNUM` is on; never waits.
    pub fn increment_seqnum(&self) {
        if !self.lending.get() {
            // SAFETY: the handle is open and nobody looks at the map.
            self.count_any(|raw| unsafe { tdb_sys::tdb_increment_seqnum_nonblock(raw) });
        }
    }

    /// Removes every record, in one sweep under the allrecord lock.
    pub fn wipe_all(&self) -> Result<()> {
        // SAFETY: the handle is open, nobody looks at the map (`call` checks).
        self.call("wipe_all", |raw| unsafe { tdb_sys::tdb_wipe_all(raw) })
    }

    /// Rewrites the file without holes, inside a transaction of its own.
    pub fn repack(&self) -> Result<()> {
        // SAFETY: as for `wipe_all`.
        self.call("repack", |raw| unsafe { tdb_sys::tdb_repack(raw) })
    }

    /// Number of free areas. Takes the freelist lock and merges neighbours on the way.
    pub fn freelist_size(&self) -> Result<u32> {
        // SAFETY: as for `wipe_all`.
        let size = self.count("freelist_size", |raw| unsafe {
            tdb_sys::tdb_freelist_size(raw)
        })?;
        Ok(u32::try_from(size).expect("count() lets no negative number pass"))
    }

    pub(crate) fn raw(&self) -> *mut tdb_sys::tdb_context {
        self.raw.as_ptr()
    }

    /// Runs a C call that answers 0 or -1.
    pub(crate) fn call(
        &self,
        op: &'static str,
        f: impl FnOnce(*mut tdb_sys::tdb_context) -> i32,
    ) -> Result<()> {
        self.count(op, f).map(drop)
    }

    /// Runs a C call that answers a number, or -1 for an error.
    pub(crate) fn count(
        &self,
        op: &'static str,
        f: impl FnOnce(*mut tdb_sys::tdb_context) -> i32,
    ) -> Result<i32> {
        if self.lending.get() {
            return Err(Error::new(&self.path, op, Kind::Nesting, 0));
        }
        if self.lost.get() {
            return Err(Error::new(&self.path, op, Kind::Io, libc::EIO).because(MISSED));
        }
        clear_errno();
        log::begin();
        let (result, missed) = bus::guarded(|| f(self.raw()));
        if missed > 0 {
            return Err(self.missed(op));
        }
        match result {
            n if n >= 0 => Ok(n),
            _ => Err(self.last_error(op)),
        }
    }

    /// Runs a C call that cannot fail by what it answers; 0 if it could not reach the file.
    fn count_any<R: Default>(&self, f: impl FnOnce(*mut tdb_sys::tdb_context) -> R) -> R {
        if self.lost.get() {
            return R::default();
        }
        let (result, missed) = bus::guarded(|| f(self.raw()));
        if missed > 0 {
            self.missed("seqnum");
            return R::default();
        }
        result
    }

    /// An operation could not reach parts of the file.
    fn missed(&self, op: &'static str) -> Error {
        let back = self.fd().is_some_and(|fd| bus::put_back(fd, self.writable));
        self.lost.set(!back);
        Error::new(&self.path, op, Kind::Io, libc::EIO).because(MISSED)
    }

    fn last_error(&self, op: &'static str) -> Error {
        let os = errno();
        // SAFETY: the handle is open; this reads one field.
        let code = unsafe { tdb_sys::tdb_error(self.raw()) };
        let (complaint, os_then) = log::complaint();
        let os = match (os_then, os) {
            // libtdb reserves space with a call that sets no errno.
            (0, 0) if complaint.is_some() => reserve::ails(&self.path).unwrap_or(0),
            (0, os) => os,
            (os, _) => os,
        };
        let kind = match Kind::from_code(code) {
            // What is simply not there libtdb does not complain about: the code is that of an inner search.
            Kind::NotFound if complaint.is_some() => Kind::Io,
            kind => kind,
        };
        let error = Error::new(&self.path, op, kind, os);
        match complaint {
            Some(complaint) => error.because(&complaint),
            None => error,
        }
    }
}

impl Drop for Tdb {
    fn drop(&mut self) {
        let _list = handle_list();
        // SAFETY: the handle is open and this is its last use.
        bus::guarded(|| unsafe { tdb_sys::tdb_close(self.raw()) });
    }
}

fn open_failed(path: &Path, os: i32, missed: usize) -> Error {
    let (complaint, os_then) = log::complaint();
    let os = if os_then == 0 { os } else { os_then };
    let error = Error::new(path, "open", Kind::Io, os);
    match complaint {
        _ if missed > 0 => error.because(MISSED),
        Some(complaint) => error.because(&complaint),
        None => error,
    }
}

pub(crate) fn clear_errno() {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = 0 }
}

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
