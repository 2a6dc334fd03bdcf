//! Opening files that others may have locked, without waiting for them: a process that was stopped with a lock
//! would stop the daemon too.
//!
//! libtdb waits for its open lock while it opens, and whoever reads a file waits for the locks of its
//! records. So the first is looked at before, and all of the second are tried for before anything is read.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::path::Path;

use ctdb_core::store::{OpenError, StoreError, StoreResult};
use ctdb_protocol::types::LtdbHeader;
use nix::fcntl::{FcntlArg, fcntl};
use tdb::holders::{of_file, process_name};
use tdb::{OpenMode, Tdb, TdbFlags};

use super::{failed, not_opened};

/// Bytes of the file that libtdb locks beside the records'.
pub(super) const OPEN_LOCK: i64 = 0;
const ACTIVE_LOCK: i64 = 4;
const TRANSACTION_LOCK: i64 = 8;

/// Opens a persistent file that nobody has locked, and checks it.
pub(super) fn persistent(path: &str, hash_size: u32, flags: TdbFlags) -> Result<Tdb, OpenError> {
    let file = Tdb::open(path, hash_size, flags, OpenMode::Create).map_err(not_opened)?;
    let Some(all) = file.try_lock_all().map_err(failed)? else {
        drop(file);
        return Err(locked(path));
    };
    let checked = check_records(&file, path);
    drop(all);
    checked?;
    Ok(file)
}

/// Checks the structure of a persistent file, and that its records are CTDB's.
fn check_records(file: &Tdb, path: &str) -> StoreResult<()> {
    let (mut plain, mut all) = (0_u64, 0_u64);
    let counted = file.check(|_, value| {
        all += 1;
        plain += u64::from(value.len() < LtdbHeader::SIZE);
        true
    });
    counted.map_err(failed)?;
    if plain == 0 {
        return Ok(());
    }
    Err(StoreError(format!(
        "{path}: {plain} of {all} records have no CTDB header, so this is a database of Samba without cluster: move \
         it away and convert it with \"ltdbtool convert -s0 FILE {path}\""
    )))
}

/// Opens a volatile file, which has to be empty. It is cleared if no other process has it open.
pub(super) fn volatile(path: &str, hash_size: u32, flags: TdbFlags) -> Result<Tdb, OpenError> {
    for lock in [OPEN_LOCK, TRANSACTION_LOCK] {
        nobody_has(path, lock, 1)?;
    }
    let file = Tdb::open(path, hash_size, flags, OpenMode::Create).map_err(not_opened)?;
    let Some(all) = file.try_lock_all().map_err(failed)? else {
        drop(file);
        return Err(locked(path));
    };
    let empty = is_empty(&file);
    drop(all);
    if empty.map_err(failed)? {
        return Ok(file);
    }
    // A process that outlived the last daemon keeps the file from being cleared.
    drop(file);
    let holder = holder_of(path, ACTIVE_LOCK, 1).map_or_else(String::new, named);
    Err(OpenError::Busy(format!(
        "{path} is not empty: another process still has it open{holder}"
    )))
}

/// Refuses when another process has a lock in this range of a file; all of the file if `length` is 0.
pub(super) fn nobody_has(path: &str, start: i64, length: i64) -> Result<(), OpenError> {
    holder_of(path, start, length).map_or(Ok(()), |pid| Err(busy(path, &named(pid))))
}

/// Only before this process opens the file for good: closing a descriptor lets go of all its locks.
fn holder_of(path: &str, start: i64, length: i64) -> Option<u32> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    let mut wanted = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut wanted)).ok()?;
    let held = i32::from(wanted.l_type) != libc::F_UNLCK;
    held.then(|| u32::try_from(wanted.l_pid).unwrap_or(0))
}

/// Somebody has a lock of records.
fn locked(path: &str) -> OpenError {
    let kernel = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let locks = of_file(Path::new(path), &kernel).unwrap_or_default();
    let pid = locks.into_iter().find(|lock| !lock.waiting);
    busy(
        path,
        &pid.and_then(|lock| lock.pid)
            .map_or_else(String::new, named),
    )
}

fn named(pid: u32) -> String {
    format!(" by process {pid} ({})", process_name(pid))
}

fn busy(path: &str, holder: &str) -> OpenError {
    OpenError::Busy(format!(
        "{path} is locked{holder}: end that process, or let it go on if it is stopped"
    ))
}

/// Whether a file has no record; all of it is locked.
fn is_empty(file: &Tdb) -> tdb::Result<bool> {
    for chain in 0..file.hash_size() {
        if file.traverse_chain(chain, |_, _| ControlFlow::Break(()))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
