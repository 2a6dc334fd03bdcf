//! A record changes its place: REQ_DMASTER at the lmaster, REPLY_DMASTER at the new dmaster.
//!
//! A client's call is answered only after the record is stored here with this node as dmaster.
//! (Upstream's `ctdb_request_dmaster`, `ctdb_reply_dmaster`, `ctdb_become_dmaster`.)

use bytes::Bytes;
use ctdb_protocol::id::{DbId, ReqId};
use ctdb_protocol::packet::{Header, ReplyDmaster, ReqDmaster};
use ctdb_protocol::types::{CallFlags, LtdbHeader, RecordFlags};

use crate::cluster;
use crate::context::Context;
use crate::database::Db;
use crate::database::record::call::refuse;
use crate::database::record::local::Record;
use crate::database::record::packet::RecordPacket;
use crate::database::record::wait::Locked;

impl Db {
    /// The old dmaster of a record hands it to this node, its lmaster.
    pub(in crate::database) fn dmaster_from_node(
        &mut self,
        cx: &mut Context,
        header: Header,
        request: ReqDmaster,
    ) {
        let key = request.key.clone();
        let park = |db: &Self, request| db.waiting(header, RecordPacket::Dmaster(request));
        let taken = self.with_lock(cx, &key, request, park, |db, cx, request| {
            db.take_as_lmaster(cx, header, request);
        });
        if taken == Locked::Failed {
            refuse(cx, &header, "cannot lock the record");
        }
    }

    /// The same; the lock is held.
    fn take_as_lmaster(&mut self, cx: &mut Context, header: Header, request: ReqDmaster) {
        let key = request.key.clone();
        let stored = match self.fetch(cx, &key) {
            Ok(stored) => stored,
            Err(error) => {
                cx.error(format!(
                    "{}: cannot read a record that node {} gives away: {error}",
                    self.name, header.srcnode
                ));
                return;
            }
        };
        if self.lmaster(cx, &key) != Some(cx.pnn()) {
            cx.error(format!(
                "{}: node {} gave a record to us, who are not its lmaster",
                self.name, header.srcnode
            ));
            return recovery_settles(cx, self.id);
        }
        if stored.header.dmaster != header.srcnode {
            let fresh = stored.header.rsn <= 1
                && stored.header.dmaster == cx.pnn()
                && stored.data.is_empty();
            cx.error(format!(
                "dmaster request from non-master {} dmaster={} key {:08x} dbid {} gen={} curgen={} c->rsn={} \
                 header.rsn={} reqid={}",
                header.srcnode,
                stored.header.dmaster,
                ctdb_protocol::hash::hash(&key),
                self.name,
                header.generation,
                cx.generation(),
                request.rsn,
                stored.header.rsn,
                header.reqid
            ));
            if !fresh {
                return recovery_settles(cx, self.id);
            }
        }
        if stored.header.rsn > request.rsn {
            cx.info(format!(
                "{}: node {} gives a record away with rsn {}, but rsn {} is stored here",
                self.name, header.srcnode, request.rsn, stored.header.rsn
            ));
        }
        let mut record = Record {
            header: LtdbHeader {
                rsn: request.rsn,
                flags: request.record_flags.unwrap_or_default(),
                ..stored.header
            },
            data: request.data,
        };
        if request.dmaster == cx.pnn() {
            self.become_dmaster(cx, header.reqid, &key, record);
        } else {
            self.send_dmaster_reply(cx, request.dmaster, header.reqid, &key, &mut record);
        }
    }

    /// The lmaster has made this node dmaster.
    pub(in crate::database) fn dmaster_granted(
        &mut self,
        cx: &mut Context,
        header: Header,
        reply: ReplyDmaster,
    ) {
        let key = reply.key.clone();
        let park = |db: &Self, reply| db.waiting(header, RecordPacket::Granted(reply));
        self.with_lock(cx, &key, reply, park, |db, cx, reply| {
            let record = Record {
                header: LtdbHeader {
                    rsn: reply.rsn,
                    flags: reply.record_flags.unwrap_or_default(),
                    ..LtdbHeader::default()
                },
                data: reply.data,
            };
            db.become_dmaster(cx, header.reqid, &reply.key, record);
        });
    }

    /// Stores the record as ours and runs the call that wanted it. The lock is held.
    fn become_dmaster(&mut self, cx: &mut Context, reqid: ReqId, key: &Bytes, mut record: Record) {
        record.header.dmaster = cx.pnn();
        let call = self
            .calls
            .get(reqid)
            .filter(|call| call.request.key == *key);
        let function = call.map(|call| call.request.callid);
        if call.is_some_and(|call| call.request.flags.contains(CallFlags::VACUUM_MIGRATION)) {
            record.header.flags.insert(RecordFlags::VACUUM_MIGRATED);
        }
        let data = record.data.clone();
        if let Err(error) = self.store(cx, key, &mut record.header, &data) {
            cx.error(format!(
                "{}: cannot store a record that has come here: {error}",
                self.name
            ));
            return;
        }
        if self.sticky {
            self.pin(cx, key);
        }
        let Some(function) = function else {
            cx.info(format!(
                "{}: a record came that no call waits for (reqid {reqid})",
                self.name
            ));
            return;
        };
        self.hot_keys.count(cx.now(), key);
        match self.run(cx, key, &mut record, function) {
            Ok(result) => self.complete(cx, reqid, 0, result),
            Err(error) => cx.error(format!(
                "{}: cannot run a call on a record that has come here: {error}",
                self.name
            )),
        }
    }
}

/// Nodes do not agree on where a record is.
fn recovery_settles(cx: &mut Context, db: DbId) {
    let reason = cluster::Reason::Record(db);
    cx.post(cluster::Letter::RecoveryWanted(reason));
}
