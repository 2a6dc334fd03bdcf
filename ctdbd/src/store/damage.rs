// SPDX-License-Identifier: GPL-3.0-or-later
//! Persistent files that are no databases. libtdb makes a new, empty database of whatever it does not know, so it
//! must never see such a file: it is moved aside first.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ctdb_core::store::{OpenError, StoreError, StoreResult};
use tdb::{OpenMode, Tdb, TdbFlags};

use crate::log;
use crate::sys::clock;

const MAGIC: &[u8] = b"TDB file\n";
/// Fields behind the magic, and an empty chain's worth.
const HEADER_BYTES: usize = 168;
/// What one daemon has moved aside in one second differs by a number.
const NAMES: u32 = 1000;

/// Moves a file aside that is there and is no database. Gives the reason and where it is now.
///
/// # Errors
/// It cannot be read or moved: then it must not be opened either.
pub(super) fn set_aside(path: &Path) -> StoreResult<Option<String>> {
    let unreadable = |e: io::Error| StoreError(format!("cannot read {}: {e}", path.display()));
    let reason = match File::open(path) {
        Ok(file) => match reason(file).map_err(unreadable)? {
            Some(reason) => reason,
            None => return Ok(None),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
    };
    let aside = free_name(path, reason);
    std::fs::rename(path, &aside).map_err(|e| {
        StoreError(format!(
            "{}: {reason}, and it cannot be moved aside to {}: {e}",
            path.display(),
            aside.display()
        ))
    })?;
    let text = format!("{reason}, moved aside to {}", aside.display());
    log::error!("{}: {text}", path.display());
    Ok(Some(text))
}

/// Why these are not the first bytes of a database.
fn reason(mut file: File) -> io::Result<Option<&'static str>> {
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    file.by_ref()
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)?;
    Ok(if length == 0 {
        Some("empty file")
    } else if !header.starts_with(MAGIC) {
        Some("no tdb file")
    } else if header.len() < HEADER_BYTES {
        Some("cut off in its header")
    } else {
        None
    })
}

/// `PATH.corrupted.20261128101500.0Z.no-tdb-file`: upstream's name for what is moved aside, and the reason.
fn free_name(path: &Path, reason: &str) -> PathBuf {
    let seconds = i64::try_from(clock::wall_us() / 1_000_000).unwrap_or(0);
    let t = clock::utc(seconds);
    let stamp = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    );
    let reason = reason.replace(' ', "-");
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".corrupted.{stamp}.{n}Z.{reason}"));
        PathBuf::from(name)
    };
    (0..NAMES)
        .map(name)
        .find(|name| !name.exists())
        .unwrap_or_else(|| name(NAMES))
}

/// Makes a new persistent file in one step: whoever is killed on the way leaves no half of one.
///
/// # Errors
/// It cannot be made.
pub(super) fn make(path: &Path, hash_size: u32, flags: TdbFlags) -> Result<(), OpenError> {
    if path.exists() {
        return Ok(());
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let failed = |e: io::Error| StoreError(format!("cannot make {}: {e}", path.display()));
    match std::fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e).into()),
        _ => {}
    }
    let file = Tdb::open(&new, hash_size, flags, OpenMode::Create).map_err(super::not_opened)?;
    if let Some(fd) = file.fd() {
        nix::unistd::fsync(fd).map_err(|e| failed(e.into()))?;
    }
    drop(file);
    std::fs::rename(&new, path).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ctdbd-damage-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_no_database_is_moved_and_kept() {
        let folder = folder("moved");
        let path = folder.join("secrets.tdb.0");
        make(&path, 7, TdbFlags::empty()).unwrap();
        assert_eq!(set_aside(&path).unwrap(), None, "a new database");
        let good = std::fs::read(&path).unwrap();
        let mut wrong = good.clone();
        wrong[3] = b'x';
        for (bytes, reason) in [
            (&good[..0], "empty file"),
            (&good[..100], "cut off in its header"),
            (&wrong[..], "no tdb file"),
            (&[7; 5000][..], "no tdb file"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let text = set_aside(&path).unwrap().expect(reason);
            assert!(text.starts_with(reason), "{text}");
            let aside = text.rsplit(' ').next().unwrap();
            assert_eq!(std::fs::read(aside).unwrap(), bytes);
            assert!(!path.exists());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_no_damage() {
        let folder = folder("none");
        assert_eq!(set_aside(&folder.join("a.tdb.0")).unwrap(), None);
        std::fs::write(folder.join("a.tdb.0.new"), b"half").unwrap();
        make(&folder.join("a.tdb.0"), 7, TdbFlags::empty()).unwrap();
        assert_eq!(set_aside(&folder.join("a.tdb.0")).unwrap(), None);
        assert!(!folder.join("a.tdb.0.new").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
