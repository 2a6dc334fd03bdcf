//! Reports the records of a file, in batches, filtered.

use std::ops::ControlFlow;

use bytes::Bytes;
use ctdb_core::effect::ScanFilter;
use ctdb_protocol::types::LtdbHeader;
use ctdb_protocol::wire;
use tdb::Tdb;

use super::Link;
use super::frame::Answer;

/// A batch is sent when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// Walks the whole file, one chain after the other: each is locked only while its records are copied, not
/// while the daemon takes them.
pub(super) fn run(file: &Tdb, filter: ScanFilter, link: &mut Link) -> Result<(), String> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for chain in 0..file.hash_size() {
        let walked = file.traverse_chain(chain, |key, value| {
            if wanted(filter, value) {
                bytes += key.len() + value.len();
                batch.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            }
            ControlFlow::Continue(())
        });
        walked.map_err(|e| e.to_string())?;
        if bytes >= BATCH_BYTES {
            bytes = 0;
            if !send(link, std::mem::take(&mut batch))? {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        send(link, batch)?;
    }
    Ok(())
}

/// Hands records over; false when no more are wanted.
fn send(link: &mut Link, batch: Vec<(Bytes, Bytes)>) -> Result<bool, String> {
    let sent = link
        .answer(&Answer::Records(batch))
        .and_then(|()| link.wait_for_go());
    sent.map_err(|e| e.to_string())
}

/// Whether a record with this value (header and data) is to be reported.
fn wanted(filter: ScanFilter, value: &[u8]) -> bool {
    let (owner, with_data) = match filter {
        ScanFilter::All => return true,
        ScanFilter::OwnedBy(owner) => (owner, Some(true)),
        ScanFilter::OwnedOrEmpty(owner) => (owner, None),
        ScanFilter::DeletedBy(owner) => (owner, Some(false)),
    };
    // A record too short for a header counts as missing.
    let Some((header, data)) = value.split_at_checked(LtdbHeader::SIZE) else {
        return false;
    };
    let Ok(header) = wire::all::<LtdbHeader>(header) else {
        return false;
    };
    header.dmaster == owner && with_data.is_none_or(|with| with != data.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::id::Pnn;

    fn value(dmaster: u32, data: &[u8]) -> Vec<u8> {
        let header = LtdbHeader {
            dmaster: Pnn(dmaster),
            ..LtdbHeader::default()
        };
        let mut value = wire::encode(&header).to_vec();
        value.extend_from_slice(data);
        value
    }

    #[test]
    fn filters_look_at_owner_and_data() {
        let own = Pnn(1);
        let mine = value(1, b"x");
        let mine_deleted = value(1, b"");
        let theirs = value(2, b"x");
        let reported = |filter| [&mine, &mine_deleted, &theirs].map(|value| wanted(filter, value));
        assert_eq!(reported(ScanFilter::All), [true, true, true]);
        assert_eq!(reported(ScanFilter::OwnedBy(own)), [true, false, false]);
        assert_eq!(reported(ScanFilter::OwnedOrEmpty(own)), [true, true, false]);
        assert_eq!(reported(ScanFilter::DeletedBy(own)), [false, true, false]);
        assert!(!wanted(ScanFilter::OwnedOrEmpty(own), b"short"));
    }
}
