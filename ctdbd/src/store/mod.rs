//! Record storage over libtdb: which file a database is, how it is opened, and the health of
//! persistent databases.

mod damage;
mod health;
mod odd_files;
mod opening;
mod readonly_tracking;
mod table;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ctdb_core::store::{Kind, OpenError, Storage, StoreError, StoreResult, Table};
use tdb::{Tdb, TdbFlags};

pub use table::TdbTable;

/// What a database needs beside a copy of itself before a node that had no room comes back.
const ROOM_BYTES: u64 = 1 << 20;

/// The databases of one node.
#[derive(Debug)]
pub struct TdbStorage {
    directories: Directories,
    /// Own node number: part of every file name. Known once the transport is bound.
    own: Rc<Cell<u32>>,
    /// Use robust mutexes in volatile databases.
    mutexes: bool,
    closed: Rc<RefCell<Vec<String>>>,
    health: Option<Tdb>,
}

/// Where databases are.
#[derive(Debug, Clone)]
pub struct Directories {
    /// Volatile and replicated ones.
    pub volatile: PathBuf,
    /// Persistent ones.
    pub persistent: PathBuf,
    /// The daemon's own.
    pub state: PathBuf,
}

impl TdbStorage {
    /// Storage in these directories, for the node whose number will be in `own`.
    #[must_use]
    pub fn new(directories: Directories, own: Rc<Cell<u32>>, mutexes: bool) -> Self {
        Self {
            directories,
            own,
            // The probe forks, so it runs before the runtime watches children.
            mutexes: mutexes && tdb::robust_mutexes_work(),
            closed: Rc::default(),
            health: None,
        }
    }

    /// Paths of tables that were closed; helpers have to close them too.
    #[must_use]
    pub fn closed(&self) -> Rc<RefCell<Vec<String>>> {
        Rc::clone(&self.closed)
    }

    fn flags(&self, kind: Kind) -> TdbFlags {
        let volatile = TdbFlags::NOSYNC | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH;
        let flags = match kind {
            Kind::Persistent => TdbFlags::empty(),
            Kind::Replicated => volatile,
            Kind::Volatile if self.mutexes => volatile | TdbFlags::MUTEX_LOCKING,
            Kind::Volatile => volatile,
        };
        flags | TdbFlags::DISALLOW_NESTING
    }

    /// Sees to it that libtdb finds a database or nothing at all under this path. What was damaged makes the
    /// database unhealthy until a recovery brings a copy of another node.
    fn refuse_damage(
        &mut self,
        name: &str,
        path: &str,
        hash_size: u32,
        flags: TdbFlags,
    ) -> Result<(), OpenError> {
        let path = Path::new(path);
        if let Some(reason) = damage::set_aside(path)? {
            self.set_health(name, Some(&reason))?;
        }
        damage::make(path, hash_size, flags)
    }

    fn path(&self, name: &str, kind: Kind) -> String {
        let directory = match kind {
            Kind::Persistent => &self.directories.persistent,
            Kind::Volatile | Kind::Replicated => &self.directories.volatile,
        };
        format!("{}/{name}.{}", directory.display(), self.own.get())
    }
}

/// A libtdb error in the core's terms; it names file and operation already.
fn failed(e: tdb::Error) -> StoreError {
    StoreError(e.to_string())
}

/// Why a file was not opened: a full disk is not for ever.
fn not_opened(e: tdb::Error) -> OpenError {
    if matches!(e.os(), Some(libc::ENOSPC | libc::EDQUOT)) {
        return OpenError::Busy(e.to_string());
    }
    failed(e).into()
}

impl Storage for TdbStorage {
    fn open(
        &mut self,
        name: &str,
        kind: Kind,
        hash_size: u32,
        max_dead: u32,
    ) -> Result<Box<dyn Table>, OpenError> {
        let path = self.path(name, kind);
        let flags = self.flags(kind);
        let file = match kind {
            Kind::Persistent => {
                opening::nobody_has(&path, opening::OPEN_LOCK, 0)?;
                self.refuse_damage(name, &path, hash_size, flags)?;
                opening::persistent(&path, hash_size, flags)?
            }
            Kind::Volatile | Kind::Replicated => opening::volatile(&path, hash_size, flags)?,
        };
        file.add_flags(flags);
        file.set_max_dead(max_dead);
        crate::sys::mapping::leave_to_cache(Path::new(&path));
        Ok(Box::new(TdbTable::new(file, path, Rc::clone(&self.closed))))
    }

    fn persistent_names(&self) -> StoreResult<Vec<String>> {
        let directory = &self.directories.persistent;
        let unreadable =
            |e: std::io::Error| StoreError(format!("cannot read {}: {e}", directory.display()));
        let suffix = format!(".{}", self.own.get());
        let (mut names, mut others) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let file_name = entry.map_err(unreadable)?.file_name();
            let file_name = file_name.to_string_lossy();
            match file_name.strip_suffix(&suffix) {
                Some(name) if name.ends_with(".tdb") => names.push(name.to_owned()),
                _ => others.push(file_name.into_owned()),
            }
        }
        names.sort_unstable();
        others.sort_unstable();
        odd_files::name_them(directory, self.own.get(), &others);
        Ok(names)
    }

    fn health(&self, name: &str) -> StoreResult<Option<String>> {
        // Before anything was recorded there may be no file; then everything is healthy.
        match &self.health {
            Some(file) => health::read(file, name),
            None => health::open(&self.directories.state, self.own.get())
                .and_then(|file| health::read(&file, name)),
        }
    }

    fn set_health(&mut self, name: &str, reason: Option<&str>) -> StoreResult<()> {
        let file = match self.health.take() {
            Some(file) => file,
            None => health::open(&self.directories.state, self.own.get())?,
        };
        let result = health::write(&file, name, reason);
        self.health = Some(file);
        result
    }

    fn can_store(&self, path: &str) -> StoreResult<()> {
        // A transaction writes what it changes once more before it changes it.
        let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
        let needs = size.saturating_add(ROOM_BYTES);
        tdb::room_for(Path::new(path), needs).map_err(|e| {
            StoreError(format!(
                "{path} cannot be stored yet, for want of {needs} bytes: {e}"
            ))
        })
    }

    fn memory_used_bytes(&self) -> u32 {
        resident_bytes().map_or(0, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

/// Private memory of this process: what is resident less what is mapped from files.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text
        .split_ascii_whitespace()
        .map(|word| word.parse::<u64>().ok());
    let resident = pages.nth(1)??;
    let shared = pages.next()??;
    Some(resident.saturating_sub(shared) * PAGE_BYTES)
}

#[cfg(test)]
mod tests;
