//! Read-only copies: the dmaster gives out copies of a record that is read by many, remembers who has
//! one, and calls all of them back before the record changes.
//!
//! (Upstream's `ctdb_start_revoke_ro_record` runs this in a child.)

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::UpdateRecord;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Header, Packet, ReplyCall};
use ctdb_protocol::types::{LtdbHeader, MarshallBuffer, RecordFlags};

use crate::context::Context;
use crate::context::{self, About};
use crate::database::Db;
use crate::database::record::call::with_header;
use crate::database::record::local::{Record, read, split, write};
use crate::database::record::packet::RecordPacket;
use crate::database::record::wait::{Locked, Parked};
use crate::database::{Asked, Due};
use crate::statistics::Count as _;
use crate::timer::TimerId;

/// How long calls wait after a revoke that failed, and readers after one that did not.
const RETRY: Duration = Duration::from_secs(1);

/// Copies that are being called back.
#[derive(Debug, Default)]
pub(in crate::database) struct Revokes {
    last: u64,
    active: BTreeMap<Bytes, Revoke>,
    delayed: BTreeMap<u64, Vec<Parked>>,
}

/// One record whose copies are being called back.
#[derive(Debug)]
struct Revoke {
    id: u64,
    waiting: BTreeSet<Pnn>,
    failed: bool,
    /// Highest rsn that the record may have when the answers are in.
    rsn: u64,
    /// Calls that wait, and whether they only want a copy.
    deferred: Vec<(Parked, bool)>,
    timer: TimerId,
}

impl Db {
    /// Clears up a record whose revoke is complete; true when one is under way, so that the call has
    /// to wait. The lock is held.
    pub(in crate::database) fn revoking(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        record: &mut Record,
    ) -> bool {
        if record
            .header
            .flags
            .contains(RecordFlags::RO_REVOKE_COMPLETE)
        {
            record.header.flags.remove(RecordFlags::RO_FLAGS);
            cx.count(|s| s.total_ro_revokes.up());
            self.counters.ro_revokes.up();
            let data = record.data.clone();
            if let Err(error) = self.store(cx, key, &mut record.header, &data) {
                cx.error(format!(
                    "{}: cannot store a record after a revoke: {error}",
                    self.name
                ));
            }
            if let Some(tracking) = &mut self.tracking
                && let Err(error) = tracking.delete(key)
            {
                cx.error(format!(
                    "{}: cannot forget holders of a record: {error}",
                    self.name
                ));
            }
        }
        if !record
            .header
            .flags
            .contains(RecordFlags::RO_REVOKING_READONLY)
        {
            return false;
        }
        if !self.revokes.active.contains_key(key) {
            // Left behind by a revoke of which nothing is known here any more: begin again.
            self.begin_revoke(cx, key, record);
        }
        true
    }

    /// A call wants to change a record of which there are copies: call them back. True when the call
    /// has to wait. The lock is held.
    pub(in crate::database) fn revoke_if_needed(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        record: &mut Record,
        reader: bool,
    ) -> bool {
        let copies = RecordFlags::RO_HAVE_DELEGATIONS | RecordFlags::RO_HAVE_READONLY;
        if reader || !record.header.flags.intersects(copies) {
            return false;
        }
        record
            .header
            .flags
            .insert(RecordFlags::RO_REVOKING_READONLY);
        let data = record.data.clone();
        if let Err(error) = self.store(cx, key, &mut record.header, &data) {
            cx.error(format!(
                "{}: cannot mark a record as being revoked: {error}",
                self.name
            ));
            return false;
        }
        self.begin_revoke(cx, key, record);
        true
    }

    fn begin_revoke(&mut self, cx: &mut Context, key: &Bytes, record: &Record) {
        let bitmap = self
            .tracking
            .as_ref()
            .and_then(|t| t.fetch(key).ok())
            .unwrap_or_default();
        let mut header = record.header;
        header.flags.remove(
            RecordFlags::RO_REVOKING_READONLY
                | RecordFlags::RO_HAVE_DELEGATIONS
                | RecordFlags::RO_HAVE_READONLY,
        );
        header.flags.insert(RecordFlags::MIGRATED_WITH_DATA);
        header.rsn = header.rsn.saturating_sub(1);
        let mut buffer = MarshallBuffer::new(self.id);
        buffer.push(ReqId(0), key, &with_header(&header, &record.data));
        self.revokes.last += 1;
        let id = self.revokes.last;
        let mut waiting = BTreeSet::new();
        let mut failed = false;
        let own = cx.pnn();
        for node in holders(&bitmap).filter(|&node| node != own) {
            let pending = Asked::Revoke {
                db: self.id,
                revoke: id,
                node,
            };
            if cx.control::<UpdateRecord>(node, &buffer, ClientId(0), pending) {
                waiting.insert(node);
            } else {
                failed = true;
            }
        }
        let limit = Duration::from_secs(u64::from(cx.tunables().control_timeout().max(1)));
        let timer = cx.arm(limit, Due::Revoke(self.id, id));
        let done = waiting.is_empty();
        let revoke = Revoke {
            id,
            waiting,
            failed,
            rsn: record.header.rsn,
            deferred: Vec::new(),
            timer,
        };
        self.revokes.active.insert(key.clone(), revoke);
        if done {
            cx.later(self.id, Parked::RevokeEnd { key: key.clone() });
        }
    }

    /// Keeps a call until the revoke of its key has ended.
    pub(in crate::database) fn defer_to_revoke(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        parked: Parked,
        reader: bool,
    ) {
        match self.revokes.active.get_mut(key) {
            Some(revoke) => revoke.deferred.push((parked, reader)),
            None => cx.later(self.id, parked),
        }
    }

    /// A holder has answered, or cannot.
    pub(in crate::database) fn revoke_answered(
        &mut self,
        cx: &mut Context,
        id: u64,
        node: Pnn,
        status: i32,
    ) {
        let Some((key, revoke)) = self.revokes.active.iter_mut().find(|(_, r)| r.id == id) else {
            return;
        };
        revoke.waiting.remove(&node);
        if status != 0 {
            revoke.failed = true;
            cx.error(format!(
                "{}: node {node} could not give a read-only copy back",
                self.name
            ));
        }
        if revoke.waiting.is_empty() {
            cx.later(self.id, Parked::RevokeEnd { key: key.clone() });
        }
    }

    /// The holders have not all answered in time.
    pub(in crate::database) fn revoke_timed_out(&mut self, cx: &mut Context, id: u64) {
        let Some((key, revoke)) = self.revokes.active.iter_mut().find(|(_, r)| r.id == id) else {
            return;
        };
        revoke.failed = true;
        revoke.waiting.clear();
        let key = key.clone();
        cx.error(format!(
            "{}: read-only copies of a record were not given back in time",
            self.name
        ));
        cx.later(self.id, Parked::RevokeEnd { key });
    }

    /// All holders have answered: note the outcome in the record, let the waiting calls go on.
    pub(in crate::database) fn revoke_end(&mut self, cx: &mut Context, key: &Bytes) {
        if self
            .revokes
            .active
            .get(key)
            .is_none_or(|revoke| !revoke.waiting.is_empty())
        {
            return;
        }
        let park = |_: &Self, ()| Parked::RevokeEnd { key: key.clone() };
        let noted = self.with_lock(cx, key, (), park, |db, cx, ()| db.note_revoke(cx, key));
        let noted = match noted {
            Locked::Done(noted) => noted,
            Locked::Parked => return,
            Locked::Failed => false,
        };
        let Some(revoke) = self.revokes.active.remove(key) else {
            return;
        };
        cx.disarm(revoke.timer);
        let mut later = Vec::new();
        for (parked, reader) in revoke.deferred {
            if noted && !reader {
                cx.later(self.id, parked)
            } else {
                later.push(parked)
            }
        }
        if !later.is_empty() {
            self.revokes.delayed.insert(revoke.id, later);
            cx.arm(RETRY, Due::RevokeReplay(self.id, revoke.id));
        }
    }

    /// True when the record is settled, so that the next writer need not wait.
    fn note_revoke(&mut self, cx: &mut Context, key: &Bytes) -> bool {
        let Some(revoke) = self.revokes.active.get(key) else {
            return false;
        };
        let (rsn, failed) = (revoke.rsn, revoke.failed);
        let Ok(Some(mut record)) = read(self.table.as_ref(), key) else {
            return false;
        };
        let both = RecordFlags::RO_REVOKING_READONLY | RecordFlags::RO_HAVE_DELEGATIONS;
        if record.header.rsn > rsn
            || !record
                .header
                .flags
                .contains(RecordFlags::RO_REVOKING_READONLY)
        {
            return false;
        }
        if failed || !record.header.flags.contains(both) {
            record
                .header
                .flags
                .remove(RecordFlags::RO_REVOKING_READONLY);
        } else {
            record.header.rsn = record.header.rsn.saturating_add(1);
            record.header.flags.insert(RecordFlags::RO_REVOKE_COMPLETE);
        }
        // Read-only flags, hence written as it is by the store rule as well.
        match write(self.table.as_mut(), key, &record.header, &record.data) {
            // After a failure the next try must not follow at once: it would fail as quickly.
            Ok(()) => !failed,
            Err(error) => {
                cx.error(format!(
                    "{}: cannot note the end of a revoke: {error}",
                    self.name
                ));
                false
            }
        }
    }

    /// Calls that had to wait longer go on.
    pub(in crate::database) fn revoke_replay(&mut self, cx: &mut Context, id: u64) {
        for parked in self.revokes.delayed.remove(&id).unwrap_or_default() {
            cx.later(self.id, parked);
        }
    }

    /// Gives a read-only copy to the node that asks. The lock is held.
    pub(in crate::database) fn delegate(
        &mut self,
        cx: &mut Context,
        header: &Header,
        key: &Bytes,
        record: &mut Record,
    ) {
        if let Err(error) = self.note_holder(key, header.srcnode) {
            cx.error(format!(
                "{}: cannot note the holder of a read-only copy: {error}",
                self.name
            ));
            return;
        }
        if !record
            .header
            .flags
            .contains(RecordFlags::RO_HAVE_DELEGATIONS)
        {
            record.header.rsn = record.header.rsn.saturating_add(3);
            record.header.flags.insert(RecordFlags::RO_HAVE_DELEGATIONS);
            let data = record.data.clone();
            if let Err(error) = self.store(cx, key, &mut record.header, &data) {
                cx.error(format!(
                    "{}: cannot store a record with read-only copies: {error}",
                    self.name
                ));
                return;
            }
        }
        cx.count(|s| s.total_ro_delegations.up());
        self.counters.ro_delegations.up();
        let mut copy = record.header;
        copy.rsn = copy.rsn.saturating_sub(2);
        copy.flags.remove(RecordFlags::RO_HAVE_DELEGATIONS);
        copy.flags.insert(RecordFlags::RO_HAVE_READONLY);
        let reply = ReplyCall {
            status: 0,
            data: with_header(&copy, &record.data),
        };
        let generation = self.generation;
        cx.send(
            header.srcnode,
            header.reqid,
            generation,
            &Packet::ReplyCall(reply),
        );
    }

    fn note_holder(&mut self, key: &[u8], node: Pnn) -> crate::store::StoreResult<()> {
        let Some(tracking) = &mut self.tracking else {
            return Ok(());
        };
        let mut bitmap = tracking.fetch(key)?;
        let (byte, bit) = (node.0 as usize / 8, node.0 % 8);
        if bitmap.len() <= byte {
            bitmap.resize(byte + 1, 0);
        }
        bitmap[byte] |= 1 << bit;
        tracking.store(key, &bitmap)
    }

    /// The answer to a call of a local client has come.
    pub(in crate::database) fn call_answered(
        &mut self,
        cx: &mut Context,
        header: Header,
        reply: ReplyCall,
    ) {
        if self.keep_copy(cx, &header, &reply) {
            self.complete(cx, header.reqid, reply.status, reply.data);
        }
    }

    /// The answer to a call that wanted a copy has come: keep the copy if it is newer than what is
    /// here. False when the record's lock is busy and the answer was parked.
    fn keep_copy(&mut self, cx: &mut Context, header: &Header, reply: &ReplyCall) -> bool {
        let Some(call) = self.calls.get(header.reqid) else {
            return true;
        };
        let Some((copy, data)) = split(&reply.data) else {
            return true;
        };
        let wanted = call.request.callid == ctdb_protocol::types::CallFunction::FETCH_WITH_HEADER;
        if !wanted || !copy.flags.contains(RecordFlags::RO_HAVE_READONLY) {
            return true;
        }
        let key = call.request.key.clone();
        let packet = RecordPacket::Answer(reply.clone());
        let park = |db: &Self, packet| db.waiting(*header, packet);
        let kept = self.with_lock(cx, &key, packet, park, |db, cx, _| {
            if let Err(error) = db.store_copy(cx, &key, copy, data) {
                cx.error(format!(
                    "{}: cannot store a read-only copy: {error}",
                    db.name
                ));
            }
        });
        kept != Locked::Parked
    }

    fn store_copy(
        &mut self,
        cx: &mut Context,
        key: &[u8],
        mut copy: LtdbHeader,
        data: &[u8],
    ) -> crate::store::StoreResult<()> {
        let stored = read(self.table.as_ref(), key)?;
        if stored.is_none_or(|stored| copy.rsn > stored.header.rsn) {
            self.store(cx, key, &mut copy, data)?;
        }
        Ok(())
    }

    /// A recovery has replaced all records: nobody holds a copy any more.
    pub(in crate::database) fn forget_delegations(&mut self, cx: &mut Context) {
        if !self.readonly {
            return;
        }
        for (_, revoke) in std::mem::take(&mut self.revokes.active) {
            cx.disarm(revoke.timer);
            for (parked, _) in revoke.deferred {
                cx.later(self.id, parked);
            }
        }
        let id = self.id;
        cx.recall_about(About::Database(id), |asked| {
            matches!(asked, context::Asked::Database(Asked::Revoke { .. }))
        });
        if let Some(tracking) = &mut self.tracking
            && let Err(error) = tracking.wipe()
        {
            cx.error(format!(
                "{}: cannot wipe the list of read-only copies: {error}",
                self.name
            ));
            self.readonly = false;
            self.tracking = None;
        }
    }
}

/// Nodes whose bit is set.
fn holders(bitmap: &[u8]) -> impl Iterator<Item = Pnn> {
    bitmap.iter().zip(0_u32..).flat_map(|(&byte, index)| {
        (0..8)
            .filter(move |bit| byte & (1 << bit) != 0)
            .map(move |bit| Pnn(index * 8 + bit))
    })
}
