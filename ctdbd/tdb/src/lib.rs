// SPDX-License-Identifier: GPL-3.0-or-later
//! Safe wrapper around libtdb: one key-value file shared by many processes.
//!
//! [`Tdb`] owns the handle; [`ChainLock`], [`AllLock`] and [`Transaction`] release on drop.
//! A handle may move to another thread but is never shared between threads: record locks of a
//! file with robust mutexes belong to the thread that took them, fcntl locks to the process.
//! libtdb refuses a second handle on one file in one process ([`Error::os`] is `EBUSY`).
//!
//! Locks nest by count inside a handle. A lock that a helper process holds in this process's
//! name is noted with the `*_mark` calls and forgotten with the `*_unmark` calls; these change
//! memory only, never the file.

mod bus;
mod error;
mod file;
mod flags;
mod hash;
pub mod holders;
mod lock;
mod log;
mod mutex;
mod record;
mod reserve;
mod transaction;
mod traverse;

pub use bus::rescue;
pub use error::{Error, Kind, Result};
pub use file::Tdb;
pub use flags::{OpenMode, StoreMode, TdbFlags};
pub use hash::{jenkins, old_hash};
pub use lock::{AllLock, ChainLock};
pub use log::{LogFunction, LogLevel, log_to};
pub use mutex::{MutexArea, Which, robust_mutexes_work};
pub use reserve::room_for;
pub use transaction::Transaction;
