//! The records of a replicated database take the place of what is there, touching only what differs.
//!
//! A recovery says WIPE_DATABASE and then sends every record. Most often the file holds just these records
//! already, so wiping and writing them all, with what that costs in the transaction and on the disk, would
//! change nothing. Here a wipe only begins a list of the keys that arrive; a record that is there as it
//! came is left alone; in the end every record is deleted whose key did not arrive. A recovery that
//! changes nothing then leaves the transaction empty, and an empty one costs no write and no fsync.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ctdb_protocol::types::LtdbHeader;
use ctdb_protocol::wire::encode;

use crate::store::{StoreResult, Table};

/// What has arrived since the wipe.
#[derive(Debug, Default)]
pub(in crate::database) struct Wipe {
    /// Hashes of the keys, 64 bits each: with ten million records the odds that a record which should go
    /// stays are one in a million million.
    arrived: Vec<u64>,
}

impl Wipe {
    /// A record arrived: stores it unless it is there already.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(in crate::database) fn store(
        &mut self,
        table: &mut dyn Table,
        key: &[u8],
        header: &LtdbHeader,
        data: &[u8],
    ) -> StoreResult<()> {
        self.arrived.push(hash(key));
        let header = encode(header);
        let mut same = false;
        table.read(key, &mut |value| {
            same = value
                .split_at_checked(header.len())
                .is_some_and(|(front, rest)| front == header && rest == data);
        })?;
        if same {
            return Ok(());
        }
        table.store(key, &[&header, data])
    }

    /// Deletes what did not arrive.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(in crate::database) fn finish(mut self, table: &mut dyn Table) -> StoreResult<()> {
        if self.arrived.is_empty() {
            return table.wipe();
        }
        // Mostly the records came in the order in which they are here; the rest is looked up.
        let mut next = 0;
        let mut doubtful: Vec<Vec<u8>> = Vec::new();
        for chain in 0..table.chains() {
            table.read_chain(chain, &mut |key, _| {
                if self.arrived.get(next) == Some(&hash(key)) {
                    next += 1;
                } else {
                    doubtful.push(key.to_vec());
                }
            })?;
        }
        self.arrived.sort_unstable();
        let stale = doubtful
            .into_iter()
            .filter(|key| self.arrived.binary_search(&hash(key)).is_err());
        for key in stale {
            table.delete(&key)?;
        }
        Ok(())
    }
}

fn hash(key: &[u8]) -> u64 {
    // The same in every run, unlike the default of a hash map.
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::id::Pnn;
    use ctdb_protocol::types::RecordFlags;

    use super::*;
    use crate::store::{Kind, Storage as _};
    use crate::testing::memory::{Files, MemoryStorage};

    fn header(rsn: u64) -> LtdbHeader {
        LtdbHeader::new(rsn, Pnn(0), RecordFlags::empty())
    }

    fn table(records: &[(&str, u64, &str)]) -> Box<dyn Table> {
        let mut storage = MemoryStorage(Files::default());
        let mut table = storage.open("p.tdb", Kind::Persistent, 0, 0).unwrap();
        for (key, rsn, data) in records {
            table
                .store(key.as_bytes(), &[&header(*rsn).join(data.as_bytes())])
                .unwrap();
        }
        table
    }

    fn content(table: &dyn Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut content = Vec::new();
        for chain in 0..table.chains() {
            let mut take = |key: &[u8], value: &[u8]| content.push((key.to_vec(), value.to_vec()));
            table.read_chain(chain, &mut take).unwrap();
        }
        content.sort();
        content
    }

    fn replace(table: &mut dyn Table, records: &[(&str, u64, &str)]) {
        let mut wipe = Wipe::default();
        for (key, rsn, data) in records {
            wipe.store(table, key.as_bytes(), &header(*rsn), data.as_bytes())
                .unwrap();
        }
        wipe.finish(table).unwrap();
    }

    #[test]
    fn what_arrives_is_what_is_there_in_the_end() {
        let before = [("a", 1, "old"), ("b", 2, "same"), ("c", 3, "stale")];
        for after in [
            &[("a", 2, "new"), ("b", 2, "same"), ("d", 1, "fresh")][..],
            &[("b", 3, "same")],
            &before,
            &[],
        ] {
            let mut table = table(&before);
            replace(table.as_mut(), after);
            let mut expected: Vec<_> = after
                .iter()
                .map(|(key, rsn, data)| {
                    (key.as_bytes().to_vec(), header(*rsn).join(data.as_bytes()))
                })
                .collect();
            expected.sort();
            assert_eq!(content(table.as_ref()), expected);
        }
    }

    #[test]
    fn records_that_are_there_are_not_written() {
        let records = [("a", 1, "one"), ("b", 2, "two")];
        let mut table = table(&records);
        let before = table.sequence_number();
        replace(table.as_mut(), &records);
        assert_eq!(table.sequence_number(), before);
    }
}
