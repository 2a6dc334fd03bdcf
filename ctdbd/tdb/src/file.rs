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

        let _list = handle_list();
        clear_errno();
        // SAFETY: `name` is NUL-terminated and outlives the call; a null log context and hash
        // function are allowed and mean "none" and "libtdb's own".
        let raw = unsafe {
            tdb_sys::tdb_open_ex(
                name.as_ptr(),
                hash_size,
                flags.bits().cast_signed(),
                mode.open_flags(),
                mode.permissions(),
                std::ptr::null(),
                None,
            )
        };
        let raw = NonNull::new(raw).ok_or_else(|| Error::new(path, "open", Kind::Io, errno()))?;
        Ok(Self {
            raw,
            path: path.to_owned(),
            opened_with: flags,
            lending: Cell::new(false),
        })
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

    /// Bytes of the file that are mapped, i.e. its size when last looked at.
    pub fn map_size(&self) -> usize {
        // SAFETY: as for `hash_size`.
        unsafe { tdb_sys::tdb_map_size(self.raw()) }
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
        unsafe { tdb_sys::tdb_get_seqnum(self.raw()) }.cast_unsigned()
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
            unsafe { tdb_sys::tdb_increment_seqnum_nonblock(self.raw()) }
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
        clear_errno();
        match f(self.raw()) {
            n if n >= 0 => Ok(n),
            _ => Err(self.last_error(op)),
        }
    }

    pub(crate) fn last_error(&self, op: &'static str) -> Error {
        let os = errno();
        // SAFETY: the handle is open; this reads one field.
        let code = unsafe { tdb_sys::tdb_error(self.raw()) };
        Error::new(&self.path, op, Kind::from_code(code), os)
    }
}

impl Drop for Tdb {
    fn drop(&mut self) {
        let _list = handle_list();
        // SAFETY: the handle is open and this is its last use.
        unsafe { tdb_sys::tdb_close(self.raw()) };
    }
}

pub(crate) fn clear_errno() {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = 0 }
}

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
