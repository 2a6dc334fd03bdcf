// SPDX-License-Identifier: GPL-3.0-or-later
//! How a file is opened and how a record is stored.

bitflags::bitflags! {
    /// libtdb's open flags, with its numbers (they are also what `DB_OPEN_FLAGS` answers with).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct TdbFlags: u32 {
        /// The first opener wipes the file.
        const CLEAR_IF_FIRST = tdb_sys::TDB_CLEAR_IF_FIRST;
        /// Memory only, no file.
        const INTERNAL = tdb_sys::TDB_INTERNAL;
        /// Take no locks at all.
        const NOLOCK = tdb_sys::TDB_NOLOCK;
        /// Read and write in place of mapping.
        const NOMMAP = tdb_sys::TDB_NOMMAP;
        /// Transactions do not wait for the disk.
        const NOSYNC = tdb_sys::TDB_NOSYNC;
        /// Count every change in the header.
        const SEQNUM = tdb_sys::TDB_SEQNUM;
        /// Keep dead records in their chain for reuse (5 unless set otherwise).
        const VOLATILE = tdb_sys::TDB_VOLATILE;
        /// Transactions may nest.
        const ALLOW_NESTING = tdb_sys::TDB_ALLOW_NESTING;
        /// Transactions may not nest.
        const DISALLOW_NESTING = tdb_sys::TDB_DISALLOW_NESTING;
        /// Jenkins hash in place of the old one.
        const INCOMPATIBLE_HASH = tdb_sys::TDB_INCOMPATIBLE_HASH;
        /// Robust mutexes in place of fcntl locks; only with `CLEAR_IF_FIRST` and after
        /// [`robust_mutexes_work`](crate::robust_mutexes_work) said yes.
        const MUTEX_LOCKING = tdb_sys::TDB_MUTEX_LOCKING;
        const _ = !0;
    }
}

/// What the file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, reading only.
    ReadOnly,
    /// Existing file.
    ReadWrite,
    /// Created with mode 0600 if missing.
    Create,
    /// Created with these permission bits if missing.
    CreateMode(u32),
}

impl OpenMode {
    pub(crate) fn open_flags(self) -> libc::c_int {
        match self {
            Self::ReadOnly => libc::O_RDONLY,
            Self::ReadWrite => libc::O_RDWR,
            Self::Create | Self::CreateMode(_) => libc::O_RDWR | libc::O_CREAT,
        }
    }

    pub(crate) fn permissions(self) -> libc::mode_t {
        match self {
            Self::CreateMode(bits) => bits,
            Self::ReadOnly | Self::ReadWrite | Self::Create => 0o600,
        }
    }
}

/// Which records a store may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// Any: create or overwrite.
    Replace,
    /// Only create.
    Insert,
    /// Only overwrite.
    Modify,
}

impl StoreMode {
    pub(crate) fn code(self) -> libc::c_int {
        match self {
            // C's TDB_REPLACE is not looked at; 0 is what every caller in Samba passes for it.
            Self::Replace => 0,
            Self::Insert => 2,
            Self::Modify => 3,
        }
    }
}
