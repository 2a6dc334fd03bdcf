//! Finds the newest copy of each record of a volatile database.
//!
//! Messages are kept as they came and records are found in them by place, eight bytes for each, so
//! that a merge needs little more memory than the records themselves.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{LtdbHeader, RecordRef, Records};
use hashbrown::HashTable;

/// Bytes in front of the first record of a message: database and count.
const MESSAGE_HEAD: usize = 8;

/// Where a record lies: which message, and how far into it.
#[derive(Debug, Clone, Copy)]
struct Place {
    message: u32,
    offset: u32,
}

/// The newest copies seen so far.
pub(super) struct Merged {
    leader: Pnn,
    messages: Vec<(Pnn, Bytes)>,
    newest: HashTable<Place>,
    hasher: RandomState,
}

impl Merged {
    /// Nothing yet. `leader` is the node that recovers.
    pub(super) fn new(leader: Pnn) -> Self {
        Self {
            leader,
            messages: Vec::new(),
            newest: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Adds the records of a message that has been checked before.
    pub(super) fn add(&mut self, node: Pnn, message: Bytes) {
        let number = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        self.messages.push((node, message.clone()));
        let Ok((_, records)) = Records::of_payload(&message) else {
            return;
        };
        let mut offset = MESSAGE_HEAD;
        for record in records {
            // A message is one packet, whose length is 32 bits.
            let place = Place {
                message: number,
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            };
            self.offer(node, place, &record);
            offset += 16 + record.key.len() + record.data.len();
        }
    }

    fn offer(&mut self, node: Pnn, place: Place, record: &RecordRef<'_>) {
        let Ok((header, _)) = record.header() else {
            return;
        };
        let (messages, hasher) = (&self.messages, &self.hasher);
        let hash = hasher.hash_one(record.key);
        let known = self
            .newest
            .find_mut(hash, |known| at(messages, *known).1.key == record.key);
        match known {
            Some(known) => {
                let (holder, kept) = at(messages, *known);
                let Ok((kept, _)) = kept.header() else { return };
                if replaces(self.leader, (node, &header), (holder, &kept)) {
                    *known = place;
                }
            }
            None => {
                self.newest.insert_unique(hash, place, |known| {
                    hasher.hash_one(at(messages, *known).1.key)
                });
            }
        }
    }

    /// The newest copy of each record, in the order in which the winning messages came.
    pub(super) fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let mut places: Vec<Place> = self.newest.iter().copied().collect();
        places.sort_unstable_by_key(|place| (place.message, place.offset));
        places.into_iter().map(|place| at(&self.messages, place).1)
    }
}

/// The record at a place, and the node that sent it.
fn at(messages: &[(Pnn, Bytes)], place: Place) -> (Pnn, RecordRef<'_>) {
    let (node, message) = &messages[place.message as usize];
    let (_, record) = RecordRef::take(&message[place.offset as usize..])
        .expect("only places of whole records are kept");
    (*node, record)
}

/// Whether a copy is to replace another one of the same record.
///
/// The higher RSN wins. Among equals upstream goes through the nodes in ascending order, keeps the
/// first copy, but lets a later one replace a copy whose data master is the leader. The same rule
/// here, for copies in any order: the lowest node whose copy names another data master, else the highest.
fn replaces(leader: Pnn, new: (Pnn, &LtdbHeader), kept: (Pnn, &LtdbHeader)) -> bool {
    if new.1.rsn != kept.1.rsn {
        return new.1.rsn > kept.1.rsn;
    }
    match (new.1.dmaster == leader, kept.1.dmaster == leader) {
        (false, true) => true,
        (false, false) => new.0 < kept.0,
        (true, true) => new.0 > kept.0,
        (true, false) => false,
    }
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::encode;
    use ctdb_protocol::id::{DbId, ReqId};
    use ctdb_protocol::types::{MarshallBuffer, RecordFlags};

    use super::*;

    const LEADER: Pnn = Pnn(0);

    fn message(records: &[(&str, u64, u32, &str)]) -> Bytes {
        let mut buffer = MarshallBuffer::new(DbId(1));
        for (key, rsn, dmaster, data) in records {
            let header = LtdbHeader::new(*rsn, Pnn(*dmaster), RecordFlags::empty());
            buffer.push_with_header(ReqId(0), &header, key.as_bytes(), data.as_bytes());
        }
        encode(&buffer).into()
    }

    fn result(messages: &[(u32, Bytes)]) -> Vec<(String, String)> {
        let mut merged = Merged::new(LEADER);
        for (node, message) in messages {
            merged.add(Pnn(*node), message.clone());
        }
        let mut records: Vec<(String, String)> = merged
            .records()
            .map(|record| {
                let (_, data) = record.header().expect("whole records");
                (
                    String::from_utf8_lossy(record.key).into_owned(),
                    String::from_utf8_lossy(data).into_owned(),
                )
            })
            .collect();
        records.sort();
        records
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(key, data)| ((*key).to_owned(), (*data).to_owned()))
            .collect()
    }

    #[test]
    fn the_highest_rsn_wins_even_when_it_is_empty() {
        let messages = [
            (0, message(&[("a", 3, 1, "old"), ("b", 9, 0, "kept")])),
            (1, message(&[("a", 4, 1, ""), ("b", 8, 0, "older")])),
        ];
        assert_eq!(result(&messages), pairs(&[("a", ""), ("b", "kept")]));
    }

    #[test]
    fn equal_copies_follow_upstreams_order_whatever_order_they_come_in() {
        let cases: [(&[(u32, u32)], &str); 4] = [
            (&[(0, 0), (1, 0), (2, 0)], "2"),
            (&[(0, 1), (1, 1), (2, 1)], "0"),
            (&[(0, 0), (1, 2), (2, 0)], "1"),
            (&[(0, 0), (1, 2), (2, 1)], "1"),
        ];
        for (copies, winner) in cases {
            let mut messages: Vec<(u32, Bytes)> = copies
                .iter()
                .map(|(node, dmaster)| (*node, message(&[("k", 5, *dmaster, &node.to_string())])))
                .collect();
            assert_eq!(
                result(&messages),
                pairs(&[("k", winner)]),
                "{copies:?} ascending"
            );
            messages.reverse();
            assert_eq!(
                result(&messages),
                pairs(&[("k", winner)]),
                "{copies:?} descending"
            );
        }
    }

    #[test]
    fn many_keys_survive_the_growth_of_the_table() {
        let keys: Vec<String> = (0..5_000).map(|number| format!("key {number}")).collect();
        let records: Vec<(&str, u64, u32, &str)> =
            keys.iter().map(|key| (key.as_str(), 1, 0, "x")).collect();
        assert_eq!(
            result(&[(0, message(&records)), (1, message(&records))]).len(),
            5_000
        );
    }
}
