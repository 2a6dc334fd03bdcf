//! Record storage in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use ctdb_protocol::hash::hash;
use ctdb_protocol::types::LtdbHeader;

use crate::database::update::{Rule, apply};
use crate::effect::ScanFilter;
use crate::store::{Kind, OpenError, Storage, StoreError, StoreResult, Table, Tracking, TryLock};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
struct File {
    records: Records,
    before: Option<Records>,
    /// Chains that a client has locked.
    busy: BTreeSet<u32>,
}

/// All files of a node.
#[derive(Debug, Default, Clone)]
pub(crate) struct Files {
    files: Rc<RefCell<BTreeMap<String, Rc<RefCell<File>>>>>,
    /// The disk has no room: transactions cannot be committed.
    pub(crate) full: Rc<Cell<bool>>,
    /// Somebody has every file locked that is to be opened.
    pub(crate) locked: Rc<Cell<bool>>,
}

const CHAINS: u32 = 7;

impl Files {
    fn file(&self, path: &str) -> Rc<RefCell<File>> {
        self.files
            .borrow_mut()
            .entry(path.to_owned())
            .or_default()
            .clone()
    }

    pub(crate) fn record(&self, path: &str, key: &[u8]) -> Option<(LtdbHeader, Vec<u8>)> {
        let file = self.file(path);
        let file = file.borrow();
        let value = file.records.get(key)?;
        LtdbHeader::split(value)
            .ok()
            .map(|(header, data)| (header, data.to_vec()))
    }

    /// What a client does that has the record: new data, same header.
    pub(crate) fn client_stores(&self, path: &str, key: &[u8], data: &[u8]) {
        let (header, _) = self.record(path, key).expect("the record is here");
        let file = self.file(path);
        file.borrow_mut()
            .records
            .insert(key.to_vec(), header.join(data));
    }

    pub(crate) fn set_rsn(&self, path: &str, key: &[u8], rsn: u64) {
        let (mut header, data) = self.record(path, key).expect("the record is here");
        header.rsn = rsn;
        let file = self.file(path);
        file.borrow_mut()
            .records
            .insert(key.to_vec(), header.join(&data));
    }

    pub(crate) fn client_locks(&self, path: &str, key: &[u8]) {
        self.file(path).borrow_mut().busy.insert(hash(key) % CHAINS);
    }

    pub(crate) fn client_unlocks(&self, path: &str, key: &[u8]) {
        self.file(path)
            .borrow_mut()
            .busy
            .remove(&(hash(key) % CHAINS));
    }

    pub(crate) fn update(&self, path: &str, rule: Rule, buffer: &[u8]) -> i32 {
        let file = self.file(path);
        let before = file.borrow().records.clone();
        let mut table = MemoryTable {
            path: path.to_owned(),
            file: file.clone(),
            files: self.clone(),
            sequence: 0,
        };
        match apply(&mut table, rule, buffer) {
            Ok(()) => 0,
            Err(_) => {
                file.borrow_mut().records = before;
                1
            }
        }
    }

    pub(crate) fn scan(&self, path: &str, filter: ScanFilter) -> Vec<(Bytes, Bytes)> {
        let file = self.file(path);
        let file = file.borrow();
        let pair = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            (Bytes::from(key.clone()), Bytes::from(value.clone()))
        };
        file.records
            .iter()
            .filter(|(_, value)| filter.wants(value))
            .map(pair)
            .collect()
    }
}

pub(crate) struct MemoryStorage(pub(crate) Files);

impl Files {
    fn can_store(&self, path: &str) -> StoreResult<()> {
        if self.full.get() {
            return Err(StoreError(format!("{path}: No space left on device")));
        }
        Ok(())
    }
}

impl Storage for MemoryStorage {
    fn open(&mut self, name: &str, _: Kind, _: u32, _: u32) -> Result<Box<dyn Table>, OpenError> {
        if self.0.locked.get() {
            return Err(OpenError::Busy(format!("{name} is locked by process 7")));
        }
        Ok(Box::new(MemoryTable {
            path: name.to_owned(),
            file: self.0.file(name),
            files: self.0.clone(),
            sequence: 0,
        }))
    }

    fn persistent_names(&self) -> StoreResult<Vec<String>> {
        Ok(Vec::new())
    }

    fn health(&self, _: &str) -> StoreResult<Option<String>> {
        Ok(None)
    }

    fn set_health(&mut self, _: &str, _: Option<&str>) -> StoreResult<()> {
        Ok(())
    }

    fn can_store(&self, path: &str) -> StoreResult<()> {
        self.0.can_store(path)
    }

    fn memory_used_bytes(&self) -> u32 {
        0
    }
}

struct MemoryTable {
    path: String,
    file: Rc<RefCell<File>>,
    files: Files,
    sequence: i32,
}

impl Table for MemoryTable {
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
        hash(key) % CHAINS
    }

    fn read(&self, key: &[u8], reader: &mut dyn FnMut(&[u8])) -> StoreResult<bool> {
        let file = self.file.borrow();
        let value = file.records.get(key);
        if let Some(value) = value {
            reader(value);
        }
        Ok(value.is_some())
    }

    fn store(&mut self, key: &[u8], parts: &[&[u8]]) -> StoreResult<()> {
        self.sequence += 1;
        self.file
            .borrow_mut()
            .records
            .insert(key.to_vec(), parts.concat());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.file.borrow_mut().records.remove(key);
        Ok(())
    }

    fn try_lock(&mut self, key: &[u8]) -> StoreResult<TryLock> {
        let busy = self.file.borrow().busy.contains(&self.chain_of(key));
        Ok(if busy { TryLock::Busy } else { TryLock::Held })
    }

    fn unlock(&mut self, _: &[u8]) {}

    fn mark(&mut self, _: &[u8]) {}

    fn unmark(&mut self, _: &[u8]) {}

    fn mark_all(&mut self) -> StoreResult<()> {
        Ok(())
    }

    fn unmark_all(&mut self) {}

    fn transaction_start(&mut self) -> StoreResult<()> {
        let mut file = self.file.borrow_mut();
        file.before = Some(file.records.clone());
        Ok(())
    }

    fn transaction_commit(&mut self) -> StoreResult<()> {
        if let Err(error) = self.files.can_store(&self.path) {
            self.transaction_cancel();
            return Err(error);
        }
        self.file.borrow_mut().before = None;
        Ok(())
    }

    fn transaction_cancel(&mut self) {
        let mut file = self.file.borrow_mut();
        if let Some(before) = file.before.take() {
            file.records = before;
        }
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.file.borrow_mut().records.clear();
        Ok(())
    }

    fn read_chain(&self, chain: u32, reader: &mut dyn FnMut(&[u8], &[u8])) -> StoreResult<()> {
        for (key, value) in self
            .file
            .borrow()
            .records
            .iter()
            .filter(|(key, _)| self.chain_of(key) == chain)
        {
            reader(key, value);
        }
        Ok(())
    }

    fn sequence_number(&self) -> i32 {
        self.sequence
    }

    fn enable_sequence_number(&mut self) {}

    fn increment_sequence_number(&mut self) {
        self.sequence += 1;
    }

    fn sync(&mut self) -> StoreResult<()> {
        Ok(())
    }

    fn open_tracking(&mut self) -> StoreResult<Box<dyn Tracking>> {
        Ok(Box::new(MemoryTracking(BTreeMap::new())))
    }
}

struct MemoryTracking(Records);

impl Tracking for MemoryTracking {
    fn fetch(&self, key: &[u8]) -> StoreResult<Vec<u8>> {
        Ok(self.0.get(key).cloned().unwrap_or_default())
    }

    fn store(&mut self, key: &[u8], bitmap: &[u8]) -> StoreResult<()> {
        self.0.insert(key.to_vec(), bitmap.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.0.remove(key);
        Ok(())
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.0.clear();
        Ok(())
    }
}
