// SPDX-License-Identifier: GPL-3.0-or-later
//! Space for a file that is about to be made. libtdb reserves what a file grows by, but a new file with mutexes
//! it only makes longer, and then fills it through the map: where space is short that is SIGBUS.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::flags::TdbFlags;
use crate::mutex;

const HEADER_BYTES: u64 = 168;
const CHAIN_BYTES: u64 = 4;
const DEFAULT_CHAINS: u32 = 131;
const BLOCK_BYTES: u64 = 512;
/// A file grows by more than this at a time.
const PIECE_BYTES: u64 = 100 << 10;

/// Fails if there is no room for a file that opening `path` with these flags would make, or make anew.
pub(crate) fn check(path: &Path, hash_size: u32, flags: TdbFlags) -> io::Result<()> {
    if !flags.contains(TdbFlags::MUTEX_LOCKING) || flags.contains(TdbFlags::INTERNAL) {
        return Ok(());
    }
    let has = match std::fs::metadata(path) {
        Ok(meta) if meta.len() == 0 || flags.contains(TdbFlags::CLEAR_IF_FIRST) => {
            meta.blocks() * BLOCK_BYTES
        }
        Ok(_) => return Ok(()),
        Err(_) => 0,
    };
    let chains = if hash_size == 0 {
        DEFAULT_CHAINS
    } else {
        hash_size
    };
    let needs = HEADER_BYTES + CHAIN_BYTES * (u64::from(chains) + 1) + mutex::area_bytes(chains);
    room_for(path, needs.saturating_sub(has))
}

/// Fails if the folder of `path` has no room for another `bytes`: reserves them for a moment, which sees quotas
/// and what only root may use.
///
/// # Errors
/// What the system says: ENOSPC, EDQUOT, EROFS, EIO, ENOENT.
pub fn room_for(path: &Path, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    if length == 0 {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let Some(file) = nameless(folder)? else {
        return Ok(());
    };
    // SAFETY: takes numbers; the descriptor is open as long as `file` lives.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            e if is_unknown(&e) => Ok(()),
            e => Err(e),
        },
    }
}

/// What keeps the folder of `path` from taking another piece of a file, as an error number.
pub(crate) fn ails(path: &Path) -> Option<i32> {
    room_for(path, PIECE_BYTES).err()?.raw_os_error()
}

/// A file without a name; none where the file system has no such thing.
fn nameless(folder: &Path) -> io::Result<Option<File>> {
    let made = OpenOptions::new()
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE)
        .open(folder);
    match made {
        Ok(file) => Ok(Some(file)),
        Err(e) if is_unknown(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_unknown(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL | libc::ENOSYS)
    )
}
