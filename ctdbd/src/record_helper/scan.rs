//! Reports the records of a file, in batches, filtered.

use std::ops::ControlFlow;

use bytes::Bytes;
use ctdb_core::effect::ScanFilter;
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
            if filter.wants(value) {
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
