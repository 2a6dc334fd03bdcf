// SPDX-License-Identifier: GPL-3.0-or-later
//! What went wrong, in which file, during which operation.

use std::path::{Path, PathBuf};

/// The result of every operation that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// libtdb's own error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The file's structure is damaged.
    Corrupt,
    /// Reading, writing or mapping failed.
    Io,
    /// A lock could not be taken, or is not held.
    Lock,
    /// No memory.
    OutOfMemory,
    /// The key is there already.
    Exists,
    /// The file would have to be locked but locking is off.
    NoLock,
    /// A lock did not come in time.
    LockTimeout,
    /// There is no such key.
    NotFound,
    /// An argument or the state of the handle forbids the operation.
    Invalid,
    /// The handle is read-only.
    ReadOnly,
    /// The operation may not run inside another one (transaction, callback).
    Nesting,
    /// A code that this wrapper does not know.
    Other,
}

impl Kind {
    pub(crate) fn from_code(code: tdb_sys::TDB_ERROR) -> Self {
        match code {
            tdb_sys::TDB_ERROR_TDB_ERR_CORRUPT => Self::Corrupt,
            tdb_sys::TDB_ERROR_TDB_ERR_IO => Self::Io,
            tdb_sys::TDB_ERROR_TDB_ERR_LOCK => Self::Lock,
            tdb_sys::TDB_ERROR_TDB_ERR_OOM => Self::OutOfMemory,
            tdb_sys::TDB_ERROR_TDB_ERR_EXISTS => Self::Exists,
            tdb_sys::TDB_ERROR_TDB_ERR_NOLOCK => Self::NoLock,
            tdb_sys::TDB_ERROR_TDB_ERR_LOCK_TIMEOUT => Self::LockTimeout,
            tdb_sys::TDB_ERROR_TDB_ERR_NOEXIST => Self::NotFound,
            tdb_sys::TDB_ERROR_TDB_ERR_EINVAL => Self::Invalid,
            tdb_sys::TDB_ERROR_TDB_ERR_RDONLY => Self::ReadOnly,
            tdb_sys::TDB_ERROR_TDB_ERR_NESTING => Self::Nesting,
            _ => Self::Other,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt database",
            Self::Io => "I/O error",
            Self::Lock => "locking error",
            Self::OutOfMemory => "out of memory",
            Self::Exists => "record exists",
            Self::NoLock => "locking is off",
            Self::LockTimeout => "lock timeout",
            Self::NotFound => "record does not exist",
            Self::Invalid => "invalid parameter",
            Self::ReadOnly => "read-only database",
            Self::Nesting => "not allowed inside another operation",
            Self::Other => "unknown error",
        }
    }
}

/// A failed operation on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    path: PathBuf,
    op: &'static str,
    kind: Kind,
    os: Option<i32>,
    /// What libtdb said, or another cause in words.
    because: Option<String>,
}

impl Error {
    pub(crate) fn new(path: &Path, op: &'static str, kind: Kind, os: i32) -> Self {
        Self {
            path: path.to_owned(),
            op,
            kind,
            os: (os != 0).then_some(os),
            because: None,
        }
    }

    pub(crate) fn because(self, cause: &str) -> Self {
        Self {
            because: Some(cause.to_owned()),
            ..self
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The operation, as libtdb names it without the `tdb_` in front.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// libtdb's code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// `errno` as the operation left it, where it set one.
    pub fn os(&self) -> Option<i32> {
        self.os
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            path,
            op,
            kind,
            os,
            because,
        } = self;
        write!(f, "{}: {op}: {}", path.display(), kind.text())?;
        if let Some(errno) = os {
            write!(f, " ({})", std::io::Error::from_raw_os_error(*errno))?;
        }
        if let Some(cause) = because {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(e: Error) -> Self {
        let kind = match (e.os, e.kind) {
            (Some(errno), _) => Self::from_raw_os_error(errno).kind(),
            (None, Kind::NotFound) => std::io::ErrorKind::NotFound,
            (None, Kind::Exists) => std::io::ErrorKind::AlreadyExists,
            (None, Kind::Corrupt) => std::io::ErrorKind::InvalidData,
            (None, Kind::Invalid) => std::io::ErrorKind::InvalidInput,
            (None, _) => std::io::ErrorKind::Other,
        };
        Self::new(kind, e)
    }
}
