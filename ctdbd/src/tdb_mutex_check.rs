// SPDX-License-Identifier: GPL-3.0-or-later
//! `tdb_mutex_check FILE [KEY...]`: looks at the robust mutexes of a database, one for each hash chain,
//! says who holds those that are taken, and repairs those whose owner has died. Keys, in hexadecimal,
//! limit it to their chains.
//!
//! The file is not opened by libtdb, which would empty a database that nobody else has open.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use crate::sys::shared_map::{MutexState, SharedMap};

/// Bytes of tdb's header that are read here.
const HEADER_LEN: usize = 168;
const MAGIC: &[u8] = b"TDB file\n";
/// Number of hash chains.
const HASH_SIZE_AT: usize = 36;
/// Bytes before the database proper, which mutexes and a copy of the header take up.
const MUTEX_SIZE_AT: usize = 64;

const MUTEX_LEN: usize = size_of::<libc::pthread_mutex_t>();
/// After the header come the mutex of the whole database and a short, then the chains' mutexes; the
/// first of these belongs to the list of free records.
const FIRST_CHAIN_AT: usize =
    (HEADER_LEN + MUTEX_LEN + 2).next_multiple_of(align_of::<libc::pthread_mutex_t>()) + MUTEX_LEN;

/// The mutexes of a database.
#[derive(Debug)]
struct Mutexes {
    map: SharedMap,
    chains: u32,
}

/// Looks at the mutexes of `file`, all or those of `keys`, and reports on `out`.
///
/// # Errors
/// A line for stdout if the file cannot be used.
pub fn run(file: &str, keys: &[&str], out: &mut impl Write) -> Result<(), String> {
    let mutexes = Mutexes::open(file)?;
    let chains: Vec<u32> = if keys.is_empty() {
        (0..mutexes.chains).collect()
    } else {
        keys.iter()
            .filter_map(|key| mutexes.chain_of(key))
            .collect()
    };
    for chain in chains {
        mutexes
            .report(chain, out)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl Mutexes {
    fn open(path: &str) -> Result<Self, String> {
        let cannot_open = |_| format!("Error opening {path}");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(cannot_open)?;
        let header = read_header(&mut file).map_err(cannot_open)?;
        if !header.starts_with(MAGIC) {
            return Err(format!("Error opening {path}"));
        }

        let chains = field(&header, HASH_SIZE_AT);
        let none = || "Mutexes are not mmapped".to_owned();
        let len = field(&header, MUTEX_SIZE_AT) as usize;
        if (chains as usize).saturating_mul(MUTEX_LEN) + FIRST_CHAIN_AT > len {
            return Err(none());
        }
        let map = SharedMap::new(&file, len).map_err(|_| none())?;
        Ok(Self { map, chains })
    }

    /// `None` for a key that is not hexadecimal.
    fn chain_of(&self, key: &str) -> Option<u32> {
        let digits: Option<Vec<u8>> = key
            .chars()
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect();
        let bytes: Vec<u8> = digits?
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect();
        (!bytes.is_empty() && self.chains > 0).then(|| tdb::jenkins(&bytes) % self.chains)
    }

    fn report(&self, chain: u32, out: &mut impl Write) -> io::Result<()> {
        let at = FIRST_CHAIN_AT + chain as usize * MUTEX_LEN;
        let text = match self.map.probe_mutex(at) {
            None | Some(MutexState::Free) => return Ok(()),
            Some(MutexState::Held(pid)) => format!("pid={pid}"),
            Some(MutexState::Cleaned) => "cleaned".to_owned(),
            Some(MutexState::Inconsistent(error)) => format!("consistent failed ({error})"),
            Some(MutexState::Stuck(error)) => format!("unlock failed ({error})"),
            Some(MutexState::Failed(error)) => format!("trylock failed ({error})"),
        };
        writeln!(out, "[{chain:6}] {text}")
    }
}

fn read_header(file: &mut File) -> io::Result<[u8; HEADER_LEN]> {
    let mut header = [0; HEADER_LEN];
    file.read_exact(&mut header)?;
    Ok(header)
}

/// A number of the header, in this machine's byte order.
fn field(header: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|i| header[at + i]))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process;

    use tdb::{OpenMode, Tdb, TdbFlags};

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let file = format!("mutex-check-{name}-{}.tdb", process::id());
            Self(std::env::temp_dir().join(file))
        }

        fn open(&self, flags: TdbFlags) -> Tdb {
            let flags = flags | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH;
            Tdb::open(&self.0, 7, flags, OpenMode::Create).unwrap()
        }

        fn check(&self, keys: &[&str]) -> Result<String, String> {
            let mut out = Vec::new();
            run(self.0.to_str().unwrap(), keys, &mut out)?;
            Ok(String::from_utf8(out).unwrap())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_locked_chain_is_shown_with_its_owner() {
        let scratch = Scratch::new("held");
        let tdb = scratch.open(TdbFlags::MUTEX_LOCKING);
        assert_eq!(scratch.check(&[]).unwrap(), "");

        let lock = tdb.chain_lock(b"a").unwrap();
        let expected = format!("[{:6}] pid={}\n", tdb.chain(b"a"), nix::unistd::gettid());
        // To the owner itself trylock says something else.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(scratch.check(&[]).unwrap(), expected);
                assert_eq!(scratch.check(&["61"]).unwrap(), expected);
                assert_eq!(scratch.check(&["xyz"]).unwrap(), "");
            });
        });
        drop(lock);
        assert_eq!(scratch.check(&[]).unwrap(), "");
    }

    #[test]
    fn a_mutex_whose_owner_has_died_is_cleaned() {
        let scratch = Scratch::new("died");
        let tdb = scratch.open(TdbFlags::MUTEX_LOCKING);
        let cleaned = format!("[{:6}] cleaned\n", tdb.chain(b"a"));
        // The thread ends with the lock held and the file still mapped.
        let end_with_lock = move || {
            std::mem::forget(tdb.chain_lock(b"a").unwrap());
            std::mem::forget(tdb);
        };
        std::thread::spawn(end_with_lock).join().unwrap();
        assert_eq!(scratch.check(&[]).unwrap(), cleaned);
        assert_eq!(scratch.check(&[]).unwrap(), "");
    }

    #[test]
    fn files_without_mutexes_are_refused() {
        let scratch = Scratch::new("plain");
        assert!(scratch.check(&[]).unwrap_err().starts_with("Error opening"));
        let _tdb = scratch.open(TdbFlags::empty());
        assert_eq!(scratch.check(&[]).unwrap_err(), "Mutexes are not mmapped");
    }
}
