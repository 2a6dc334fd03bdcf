//! Database files in memory, behind the core's storage traits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use ctdb_core::store::{
    Kind, OpenError, Storage, StoreError, StoreResult, Table, Tracking, TryLock,
};
use ctdb_protocol::hash::hash;

use crate::locks::Locks;

/// Hash chains of a file; few, so that keys share chains.
const CHAINS: u32 = 11;

/// Records by key.
pub type Records = BTreeMap<Vec<u8>, Bytes>;

/// One database file.
#[derive(Debug)]
pub struct File {
    /// Name of the database.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    records: Records,
    transaction: Option<Records>,
    marked: BTreeSet<u32>,
    all_marked: bool,
    locked: BTreeSet<u32>,
    sequence: i32,
    tracking: Records,
    /// Locks of clients and helpers.
    pub locks: Locks,
}

/// A file that the daemon, its helpers and its clients share.
pub type SharedFile = Rc<RefCell<File>>;

impl File {
    fn new(name: &str, kind: Kind, records: Records) -> SharedFile {
        Rc::new(RefCell::new(Self {
            name: name.to_owned(),
            kind,
            records,
            transaction: None,
            marked: BTreeSet::new(),
            all_marked: false,
            locked: BTreeSet::new(),
            sequence: 0,
            tracking: Records::new(),
            locks: Locks::default(),
        }))
    }

    /// The chain of a key.
    #[must_use]
    pub fn chain_of(key: &[u8]) -> u32 {
        hash(key) % CHAINS
    }

    /// What is in the file now, or in the open transaction.
    #[must_use]
    pub fn records(&self) -> &Records {
        self.transaction.as_ref().unwrap_or(&self.records)
    }

    /// What a crash would leave.
    #[must_use]
    pub fn committed(&self) -> &Records {
        &self.records
    }

    /// The same, to be changed.
    pub fn records_mut(&mut self) -> &mut Records {
        self.sequence += 1;
        self.transaction.as_mut().unwrap_or(&mut self.records)
    }

    /// Whether the daemon holds a chain lock; it must not, between turns.
    #[must_use]
    pub fn daemon_holds(&self) -> bool {
        !self.locked.is_empty()
    }
}

/// The disk of one machine: persistent databases stay when the daemon dies.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, SharedFile>,
    health: BTreeMap<String, String>,
}

/// The disk, shared between the daemons that run on it one after the other.
pub type SharedDisk = Rc<RefCell<Disk>>;

impl Disk {
    /// The file of a database.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<SharedFile> {
        self.files.get(name).cloned()
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &SharedFile> {
        self.files.values()
    }

    /// The daemon died: locks, open transactions and volatile databases are gone.
    pub fn crash(&mut self) {
        let files = std::mem::take(&mut self.files);
        for (name, file) in files {
            let file = file.borrow();
            if file.kind == Kind::Persistent {
                self.files
                    .insert(name, File::new(&file.name, file.kind, file.records.clone()));
            }
        }
    }
}

/// The storage of one daemon.
#[derive(Debug, Clone)]
pub struct MemStorage(pub SharedDisk);

impl Storage for MemStorage {
    fn open(
        &mut self,
        name: &str,
        kind: Kind,
        _: u32,
        _: u32,
    ) -> Result<Box<dyn Table>, OpenError> {
        let mut disk = self.0.borrow_mut();
        let file = disk
            .files
            .entry(name.to_owned())
            .or_insert_with(|| File::new(name, kind, Records::new()));
        if file.borrow().kind != kind {
            return Err(StoreError(format!("{name} is of another kind")).into());
        }
        Ok(Box::new(MemTable {
            path: format!("/sim/{name}"),
            file: Rc::clone(file),
        }))
    }

    fn persistent_names(&self) -> StoreResult<Vec<String>> {
        let disk = self.0.borrow();
        let persistent = disk
            .files
            .iter()
            .filter(|(_, file)| file.borrow().kind == Kind::Persistent);
        Ok(persistent.map(|(name, _)| name.clone()).collect())
    }

    fn health(&self, name: &str) -> StoreResult<Option<String>> {
        Ok(self.0.borrow().health.get(name).cloned())
    }

    fn set_health(&mut self, name: &str, reason: Option<&str>) -> StoreResult<()> {
        let mut disk = self.0.borrow_mut();
        match reason {
            Some(reason) => disk.health.insert(name.to_owned(), reason.to_owned()),
            None => disk.health.remove(name),
        };
        Ok(())
    }

    fn can_store(&self, _: &str) -> StoreResult<()> {
        Ok(())
    }

    fn memory_used_bytes(&self) -> u32 {
        0
    }
}

/// One open file.
#[derive(Debug)]
pub struct MemTable {
    path: String,
    file: SharedFile,
}

impl MemTable {
    /// Opens a file for a helper of the daemon.
    #[must_use]
    pub fn over(file: SharedFile) -> Self {
        let path = format!("/sim/{}", file.borrow().name);
        Self { path, file }
    }
}

impl Table for MemTable {
    fn path(&self) -> &str {
        &self.path
    }

    fn open_flags(&self) -> i32 {
        0
    }

    fn chains(&self) -> u32 {
        CHAINS
    }

    fn chain_of(&self, key: &[u8]) -> u32 {
        File::chain_of(key)
    }

    fn read(&self, key: &[u8], reader: &mut dyn FnMut(&[u8])) -> StoreResult<bool> {
        let value = self.file.borrow().records().get(key).cloned();
        if let Some(value) = &value {
            reader(value);
        }
        Ok(value.is_some())
    }

    fn store(&mut self, key: &[u8], parts: &[&[u8]]) -> StoreResult<()> {
        let value = Bytes::from(parts.concat());
        self.file
            .borrow_mut()
            .records_mut()
            .insert(key.to_vec(), value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.file.borrow_mut().records_mut().remove(key);
        Ok(())
    }

    fn try_lock(&mut self, key: &[u8]) -> StoreResult<TryLock> {
        let chain = File::chain_of(key);
        let mut file = self.file.borrow_mut();
        let ours = file.all_marked || file.marked.contains(&chain);
        if !ours && !file.locks.is_free(chain) {
            return Ok(TryLock::Busy);
        }
        if !ours {
            file.locked.insert(chain);
        }
        Ok(TryLock::Held)
    }

    fn unlock(&mut self, key: &[u8]) {
        self.file.borrow_mut().locked.remove(&File::chain_of(key));
    }

    fn mark(&mut self, key: &[u8]) {
        self.file.borrow_mut().marked.insert(File::chain_of(key));
    }

    fn unmark(&mut self, key: &[u8]) {
        self.file.borrow_mut().marked.remove(&File::chain_of(key));
    }

    fn mark_all(&mut self) -> StoreResult<()> {
        self.file.borrow_mut().all_marked = true;
        Ok(())
    }

    fn unmark_all(&mut self) {
        self.file.borrow_mut().all_marked = false;
    }

    fn transaction_start(&mut self) -> StoreResult<()> {
        let mut file = self.file.borrow_mut();
        if !file.locks.is_locked_as_a_whole() {
            return Err(StoreError(format!(
                "{}: transaction without lock",
                file.name
            )));
        }
        file.transaction = Some(file.records.clone());
        Ok(())
    }

    fn transaction_commit(&mut self) -> StoreResult<()> {
        let mut file = self.file.borrow_mut();
        match file.transaction.take() {
            Some(records) => {
                file.records = records;
                Ok(())
            }
            None => Err(StoreError(format!(
                "{}: no transaction to commit",
                file.name
            ))),
        }
    }

    fn transaction_cancel(&mut self) {
        self.file.borrow_mut().transaction = None;
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.file.borrow_mut().records_mut().clear();
        Ok(())
    }

    fn read_chain(&self, chain: u32, reader: &mut dyn FnMut(&[u8], &[u8])) -> StoreResult<()> {
        let records = self.file.borrow().records().clone();
        for (key, value) in records
            .iter()
            .filter(|(key, _)| File::chain_of(key) == chain)
        {
            reader(key, value);
        }
        Ok(())
    }

    fn sequence_number(&self) -> i32 {
        self.file.borrow().sequence
    }

    fn enable_sequence_number(&mut self) {}

    fn increment_sequence_number(&mut self) {
        self.file.borrow_mut().sequence += 1;
    }

    fn sync(&mut self) -> StoreResult<()> {
        Ok(())
    }

    fn open_tracking(&mut self) -> StoreResult<Box<dyn Tracking>> {
        Ok(Box::new(MemTracking(Rc::clone(&self.file))))
    }
}

/// The bitmaps of read-only copies.
struct MemTracking(SharedFile);

impl Tracking for MemTracking {
    fn fetch(&self, key: &[u8]) -> StoreResult<Vec<u8>> {
        Ok(self
            .0
            .borrow()
            .tracking
            .get(key)
            .map(|bitmap| bitmap.to_vec())
            .unwrap_or_default())
    }

    fn store(&mut self, key: &[u8], bitmap: &[u8]) -> StoreResult<()> {
        let bitmap = Bytes::copy_from_slice(bitmap);
        self.0.borrow_mut().tracking.insert(key.to_vec(), bitmap);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.0.borrow_mut().tracking.remove(key);
        Ok(())
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.0.borrow_mut().tracking.clear();
        Ok(())
    }
}
