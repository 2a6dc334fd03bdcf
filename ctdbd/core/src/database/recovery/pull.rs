//! DB_PULL: this node's records go to the node that runs a recovery, in buffers, before the answer.
//! The walk is cut into slices so that a large database does not hold up the loop.

use bytes::Bytes;
use ctdb_protocol::id::{DbId, ReqId};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::MarshallBuffer;
use ctdb_protocol::wire::encode;

use crate::context::Context;
use crate::control::Asker;
use crate::database::Databases;

/// Hash chains that one slice looks at.
const CHAINS_PER_SLICE: u32 = 4096;

/// One DB_PULL under way.
#[derive(Debug)]
pub(in crate::database) struct Pull {
    asker: Asker,
    db: DbId,
    srvid: Srvid,
    next_chain: u32,
    sent: u32,
    buffer: MarshallBuffer,
    bytes: usize,
}

impl Databases {
    /// DB_PULL; false when it is refused.
    pub(in crate::database) fn pull(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        id: DbId,
        srvid: Srvid,
    ) -> bool {
        let Some(db) = self.map.get_mut(&id) else {
            return false;
        };
        if !db.expect_frozen(cx, "records were asked for") {
            return false;
        }
        if db.invalid_records {
            cx.reply_with(asker, &0_u32);
            return true;
        }
        let buffer = MarshallBuffer::new(id);
        self.pulls.push_back(Pull {
            asker,
            db: id,
            srvid,
            next_chain: 0,
            sent: 0,
            buffer,
            bytes: 0,
        });
        true
    }

    /// Whether there is work left.
    #[must_use]
    pub(crate) fn pulling(&self) -> bool {
        !self.pulls.is_empty()
    }

    /// Does one slice of the oldest pull.
    pub(crate) fn pull_slice(&mut self, cx: &mut Context) {
        let Some(mut pull) = self.pulls.pop_front() else {
            return;
        };
        let limit = cx.tunables().rec_buffer_size_limit() as usize;
        let Some(db) = self
            .map
            .get_mut(&pull.db)
            .filter(|db| db.freeze.is_frozen())
        else {
            return cx.reply_status(pull.asker, -1);
        };
        if let Err(error) = db.table.mark_all() {
            cx.error(format!("{}: cannot read all records: {error}", db.name));
            return cx.reply_status(pull.asker, -1);
        }
        let end = db
            .table
            .chains()
            .min(pull.next_chain.saturating_add(CHAINS_PER_SLICE));
        let mut full = Vec::new();
        let mut failed = None;
        while pull.next_chain < end && failed.is_none() {
            let read = db.table.read_chain(pull.next_chain, &mut |key, data| {
                pull.buffer.push(ReqId(0), key, data);
                pull.bytes += 16 + key.len() + data.len();
                pull.sent += 1;
                if pull.bytes >= limit {
                    full.push(std::mem::replace(
                        &mut pull.buffer,
                        MarshallBuffer::new(pull.db),
                    ));
                    pull.bytes = 0;
                }
            });
            failed = read.err();
            pull.next_chain += 1;
        }
        db.table.unmark_all();
        let done = pull.next_chain >= db.table.chains();
        if let Some(error) = failed {
            cx.error(format!("{}: cannot read all records: {error}", db.name));
            return cx.reply_status(pull.asker, -1);
        }
        if done && pull.bytes > 0 {
            full.push(std::mem::replace(
                &mut pull.buffer,
                MarshallBuffer::new(pull.db),
            ));
        }
        for buffer in full {
            cx.message(pull.asker.node, pull.srvid, Bytes::from(encode(&buffer)));
        }
        if done {
            cx.reply_with(pull.asker, &pull.sent);
        } else {
            self.pulls.push_front(pull);
        }
    }
}
