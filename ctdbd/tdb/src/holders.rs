// SPDX-License-Identifier: GPL-3.0-or-later
//! Who holds and who waits for locks in database files, read from the kernel's lock table (fcntl locks) and from the
//! files themselves (robust mutexes), without taking a lock.
//!
//! Never to be used by a process that has locks of such a file itself: POSIX lets go of all of a process's fcntl locks
//! of a file when the process closes any descriptor of it, and these functions open and close the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Bytes of tdb's header; the lock of hash chain n is a byte range of length 1 at 4n behind it.
const HEADER_LEN: u64 = 168;
const HASH_SIZE_AT: u64 = 36;
const MUTEX_SIZE_AT: u64 = 64;
/// The byte that transactions lock.
const TRANSACTION_AT: u64 = 8;
/// The free list's head stands behind the header, the heads of chains behind that, 4 bytes each.
const FIRST_HEAD_AT: u64 = HEADER_LEN + 4;
/// A record: place of the next, room, length of key and of data, hash, a magic number; then the key.
const RECORD_LEN: u64 = 24;
const KEY_LEN_AT: u64 = 8;
const MAGIC_AT: u64 = 20;
const MAGIC: u32 = 0x2601_1999;
/// A chain that is longer than that is a loop, or changing under our eyes.
const LONGEST_CHAIN: usize = 10_000;
/// No key of a database of Samba is longer.
const LONGEST_KEY: u32 = 1 << 16;
const MUTEX_LEN: usize = size_of::<libc::pthread_mutex_t>();
/// After the header: the mutex of the whole database, a short, the mutex of the free list, then one for each chain.
const FIRST_CHAIN_AT: usize = (HEADER_LEN as usize + MUTEX_LEN + 2)
    .next_multiple_of(align_of::<libc::pthread_mutex_t>())
    + MUTEX_LEN;
/// The first word of a mutex: the owner's thread, and whether somebody waits.
const OWNER_BITS: u32 = 0x3FFF_FFFF;
const WAITERS_BIT: u32 = 0x8000_0000;

/// What a lock covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All records.
    Everything,
    /// A transaction.
    Transaction,
    /// One hash chain.
    Chain(u32),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("all records"),
            Self::Transaction => f.write_str("transaction"),
            Self::Chain(chain) => write!(f, "chain {chain}"),
        }
    }
}

/// A process that holds or awaits a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What it covers.
    pub scope: Scope,
    /// Shared or not.
    pub shared: bool,
    /// Not held yet.
    pub waiting: bool,
    /// The process; `None` for waiters of a mutex, which nobody counts.
    pub pid: Option<u32>,
}

/// All record locks of a database file, holders before those who wait for the same.
pub fn of_file(path: &Path, kernel: &str) -> io::Result<Vec<Lock>> {
    let file = File::open(path)?;
    let chains = number(&file, HASH_SIZE_AT)?;
    let mut locks = fcntl_locks(kernel, &file, chains)?;
    locks.extend(mutexes(&file, chains)?);
    locks.sort_by_key(|lock| (lock.scope, lock.waiting));
    Ok(locks)
}

fn number(file: &File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Lines of `/proc/locks` like `7: -> POSIX  ADVISORY  WRITE 1234 fd:01:131 168 168`.
fn fcntl_locks(kernel: &str, file: &File, chains: u32) -> io::Result<Vec<Lock>> {
    let meta = file.metadata()?;
    let (major, minor) = (libc::major(meta.dev()), libc::minor(meta.dev()));
    let wanted = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    Ok(kernel
        .lines()
        .filter_map(|line| fcntl_lock(line, &wanted, chains))
        .collect())
}

fn fcntl_lock(line: &str, wanted: &str, chains: u32) -> Option<Lock> {
    let mut words = line.split_ascii_whitespace().skip(1).peekable();
    let waiting = words.next_if_eq(&"->").is_some();
    if words.next()? != "POSIX" {
        return None;
    }
    let shared = words.nth(1)? == "READ";
    let pid = words.next()?.parse().ok();
    if words.next()? != wanted {
        return None;
    }
    let start: u64 = words.next()?.parse().ok()?;
    let end: Option<u64> = words.next()?.parse().ok();
    let scope = match (start, end) {
        (TRANSACTION_AT, Some(TRANSACTION_AT)) => Scope::Transaction,
        (start, end) if start >= HEADER_LEN && end != Some(start) => Scope::Everything,
        (start, Some(_)) if start >= HEADER_LEN => {
            let chain = u32::try_from((start - HEADER_LEN) / 4).ok()?;
            Scope::Chain(Some(chain).filter(|chain| *chain < chains)?)
        }
        _ => return None,
    };
    Some(Lock {
        scope,
        shared,
        waiting,
        pid,
    })
}

/// The chains' mutexes, if the file has any.
fn mutexes(file: &File, chains: u32) -> io::Result<Vec<Lock>> {
    let length = number(file, MUTEX_SIZE_AT)? as usize;
    let needed = (chains as usize)
        .saturating_mul(MUTEX_LEN)
        .saturating_add(FIRST_CHAIN_AT);
    if length < needed {
        return Ok(Vec::new());
    }
    let mut area = vec![0; needed];
    file.read_exact_at(&mut area, 0)?;
    let mut locks = Vec::new();
    for (chain, mutex) in (0..chains).zip(area[FIRST_CHAIN_AT..].chunks_exact(MUTEX_LEN)) {
        let word = u32::from_ne_bytes([mutex[0], mutex[1], mutex[2], mutex[3]]);
        let scope = Scope::Chain(chain);
        let owner = word & OWNER_BITS;
        if owner != 0 {
            locks.push(Lock {
                scope,
                shared: false,
                waiting: false,
                pid: Some(owner),
            });
            if word & WAITERS_BIT != 0 {
                locks.push(Lock {
                    scope,
                    shared: false,
                    waiting: true,
                    pid: None,
                });
            }
        }
    }
    Ok(locks)
}

/// Some keys of a chain, read without any lock because the chain is locked: what changes meanwhile may
/// be missing.
pub fn keys_of(path: &Path, chain: u32, most: usize) -> io::Result<Vec<Vec<u8>>> {
    let file = File::open(path)?;
    let mut keys = Vec::new();
    if chain >= number(&file, HASH_SIZE_AT)? {
        return Ok(keys);
    }
    // with mutexes, everything else lies behind them
    let base = u64::from(number(&file, MUTEX_SIZE_AT)?);
    let mut record = number(&file, base + FIRST_HEAD_AT + 4 * u64::from(chain))?;
    for _ in 0..LONGEST_CHAIN {
        if record == 0 || keys.len() == most {
            break;
        }
        let at = base + u64::from(record);
        let length = number(&file, at + KEY_LEN_AT)?;
        if number(&file, at + MAGIC_AT)? == MAGIC && length <= LONGEST_KEY {
            let mut key = vec![0; length as usize];
            file.read_exact_at(&mut key, at + RECORD_LEN)?;
            keys.push(key);
        }
        record = number(&file, at)?;
    }
    Ok(keys)
}

/// The name of a process or thread; empty when it is gone.
pub fn process_name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_lines_are_understood() {
        let line = "7: -> POSIX  ADVISORY  WRITE 1234 fd:01:131 176 176";
        let wanted = Lock {
            scope: Scope::Chain(2),
            shared: false,
            waiting: true,
            pid: Some(1234),
        };
        assert_eq!(fcntl_lock(line, "fd:01:131", 10), Some(wanted));
        assert_eq!(fcntl_lock(line, "fd:01:132", 10), None);
        let all = "7: POSIX  ADVISORY  READ 1 fd:01:131 168 EOF";
        assert_eq!(
            fcntl_lock(all, "fd:01:131", 10).unwrap().scope,
            Scope::Everything
        );
        assert_eq!(
            fcntl_lock(
                "8: FLOCK  ADVISORY  WRITE 1 fd:01:131 0 EOF",
                "fd:01:131",
                10
            ),
            None
        );
        // the lock that marks the file as open
        assert_eq!(
            fcntl_lock("9: POSIX ADVISORY READ 1 fd:01:131 4 4", "fd:01:131", 10),
            None
        );
    }

    #[test]
    fn a_lock_of_ours_is_found() {
        let path = std::env::temp_dir().join(format!("tdb-holders-{}.tdb", std::process::id()));
        let flags = crate::TdbFlags::INCOMPATIBLE_HASH;
        let tdb = crate::Tdb::open(&path, 7, flags, crate::OpenMode::Create).unwrap();
        tdb.store(b"key", b"value", crate::StoreMode::Replace)
            .unwrap();
        let lock = tdb.chain_lock(b"key").unwrap();
        let kernel = std::fs::read_to_string("/proc/locks").unwrap();
        let held = of_file(&path, &kernel).unwrap();
        let chain = tdb.hash(b"key") % 7;
        let keys = keys_of(&path, chain, 3).unwrap();
        drop(lock);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(keys, [b"key".to_vec()]);
        assert!(
            held.iter()
                .any(|lock| lock.scope == Scope::Chain(chain) && !lock.waiting),
            "{held:?}"
        );
    }
}
