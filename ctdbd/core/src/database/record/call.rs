//! Record calls: a client asks for a record, this node answers or sends the call to where the record is.
//!
//! (Upstream's `daemon_request_call_from_client` and `ctdb_request_call`.)

use bytes::{BufMut, Bytes, BytesMut};
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{
    Header, Packet, ReplyCall, ReplyDmaster, ReplyError, ReqCall, ReqDmaster,
};
use ctdb_protocol::types::{CallFlags, CallFunction, LtdbHeader, RecordFlags};
use ctdb_protocol::wire::{Pad, encode};

use crate::context::Context;
use crate::database::Asked;
use crate::database::Db;
use crate::database::record::local::Record;
use crate::database::record::packet::RecordPacket;
use crate::database::record::wait::{Locked, Parked};
use crate::effect::LogLevel;
use crate::statistics::{Count as _, Counting, add_latency};
use crate::store::StoreResult;

/// A local client's call that was sent to another node.
#[derive(Debug)]
pub(in crate::database) struct Call {
    /// Its connection.
    pub client: ClientId,
    /// Its request id.
    pub client_reqid: ReqId,
    /// The call as sent: the function is FETCH_WITH_HEADER when a read-only copy is wanted.
    pub request: ReqCall,
    /// The function that the client asked for.
    pub wanted: CallFunction,
    /// When it was accepted, monotonic microseconds.
    pub since_us: u64,
}

/// How far a client's call has come.
enum Served {
    /// It is answered, or on its way to another node.
    Taken,
    /// It waits for something, and comes back.
    PutOff,
}

/// What a call function gives back.
fn result_of(function: CallFunction, record: &Record) -> Bytes {
    match function {
        CallFunction::FETCH => record.data.clone(),
        CallFunction::FETCH_WITH_HEADER => with_header(&record.header, &record.data),
        _ => Bytes::new(),
    }
}

/// Header and data in one piece.
#[must_use]
pub(in crate::database) fn with_header(header: &LtdbHeader, data: &[u8]) -> Bytes {
    let mut both =
        BytesMut::with_capacity(crate::database::record::local::HEADER_SIZE + data.len());
    both.put_slice(&encode(header));
    both.put_slice(data);
    both.freeze()
}

impl Db {
    /// A local client calls.
    pub(in crate::database) fn call_from_client(
        &mut self,
        cx: &mut Context,
        client: ClientId,
        reqid: ReqId,
        call: ReqCall,
    ) {
        cx.count(|s| {
            s.total_calls.up();
            s.pending_calls.up();
        });
        let key = call.key.clone();
        let park = |_: &Self, call| Parked::Client {
            client,
            reqid,
            call,
        };
        let served = self.with_lock(cx, &key, call, park, |db, cx, call| {
            db.serve_client(cx, client, reqid, call)
        });
        let refusal = match served {
            Locked::Done(Ok(Served::Taken)) => return,
            Locked::Done(Ok(Served::PutOff)) | Locked::Parked => None,
            Locked::Done(Err(text)) => Some(text),
            Locked::Failed => Some("the record cannot be locked"),
        };
        cx.count(Counting::call_left);
        if let Some(text) = refusal {
            refuse_client(cx, client, reqid, text);
        }
    }

    /// Serves a local client's call; the lock is held.
    ///
    /// # Errors
    /// What the client is told.
    fn serve_client(
        &mut self,
        cx: &mut Context,
        client: ClientId,
        reqid: ReqId,
        mut call: ReqCall,
    ) -> Result<Served, &'static str> {
        if cx.tunables().fetch_collapse() != 0 && self.collapse(client, reqid, &call) {
            return Ok(Served::PutOff);
        }
        let key = call.key.clone();
        let mut record = self.fetch(cx, &key).map_err(|error| {
            cx.error(format!(
                "{}: cannot read a record for a client: {error}",
                self.name
            ));
            "the record cannot be read"
        })?;
        if !self.readonly {
            call.flags.remove(CallFlags::WANT_READONLY);
        }
        let wants_readonly = call.flags.contains(CallFlags::WANT_READONLY);
        let here = record.header.dmaster == cx.pnn();
        if self.revoking(cx, &key, &mut record)
            || (here && self.revoke_if_needed(cx, &key, &mut record, wants_readonly))
        {
            let parked = Parked::Client {
                client,
                reqid,
                call,
            };
            self.defer_to_revoke(cx, &key, parked, wants_readonly);
            return Ok(Served::PutOff);
        }
        let wanted = call.callid;
        if wants_readonly {
            call.callid = CallFunction::FETCH_WITH_HEADER;
        }
        let call = Call {
            client,
            client_reqid: reqid,
            request: call,
            wanted,
            since_us: cx.now().monotonic_us,
        };
        if record.header.dmaster != cx.pnn() {
            self.send_call(cx, record.header.dmaster, call);
            return Ok(Served::Taken);
        }
        let run = self.run(cx, &key, &mut record, call.request.callid);
        let result = run.map_err(|error| {
            cx.error(format!("{}: cannot run a call: {error}", self.name));
            "the record cannot be written"
        })?;
        self.answer(cx, &call, 0, result);
        Ok(Served::Taken)
    }

    /// Runs a call function here, where the record is. The record is written back even unchanged:
    /// that makes an absent one exist, which is what the client needs to see.
    ///
    /// # Errors
    /// The record cannot be written.
    pub(in crate::database) fn run(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        record: &mut Record,
        function: CallFunction,
    ) -> StoreResult<Bytes> {
        let before = record.clone();
        let data = record.data.clone();
        self.store(cx, key, &mut record.header, &data)?;
        Ok(result_of(function, &before))
    }

    /// Sends a client's call to the node that is thought to have the record.
    fn send_call(&mut self, cx: &mut Context, dest: Pnn, mut call: Call) {
        let reqid = cx.next_reqid();
        cx.remember(reqid, Asked::Call(self.id));
        call.request.hopcount = 0;
        call.request.db_id = self.id;
        let packet = Packet::ReqCall(call.request.clone());
        let generation = self.generation;
        if cx.tunables().fetch_collapse() != 0 {
            self.begin_collapse(cx, call.request.key.clone(), reqid);
        }
        self.calls.insert(reqid, call);
        cx.send(dest, reqid, generation, &packet);
    }

    /// After a recovery: every call that was under way is asked again, starting from here.
    pub(in crate::database) fn resend_calls(&mut self, cx: &mut Context) {
        let old = self.calls.take_all();
        for (old_reqid, mut call) in old {
            cx.recall(old_reqid);
            let reqid = cx.next_reqid();
            cx.remember(reqid, Asked::Call(self.id));
            call.request.hopcount = 0;
            self.retarget_collapse(&call.request.key, old_reqid, reqid);
            let packet = Packet::ReqCall(call.request.clone());
            self.calls.insert(reqid, call);
            let (own, generation) = (cx.pnn(), self.generation);
            cx.send(own, reqid, generation, &packet);
        }
    }

    /// A client has gone: answers to its calls are not wanted any more. A record that still arrives
    /// for it stays here.
    pub(in crate::database) fn forget_calls(&mut self, cx: &mut Context, client: ClientId) {
        let gone = self.calls.of_client(client);
        for reqid in gone {
            cx.recall(reqid);
            if let Some(call) = self.calls.remove(reqid) {
                cx.count(Counting::call_left);
                self.end_collapse(cx, &call.request.key, reqid);
            }
        }
    }

    /// A call was answered; what had waited for the same key goes on.
    pub(in crate::database) fn complete(
        &mut self,
        cx: &mut Context,
        reqid: ReqId,
        status: i32,
        result: Bytes,
    ) {
        let Some(call) = self.calls.remove(reqid) else {
            return;
        };
        cx.recall(reqid);
        self.answer(cx, &call, status, result);
        self.end_collapse(cx, &call.request.key, reqid);
    }

    /// The node that was asked cannot serve a call: its client is told, once.
    pub(in crate::database) fn call_refused(
        &mut self,
        cx: &mut Context,
        reqid: ReqId,
        text: &Bytes,
    ) {
        let Some(call) = self.calls.remove(reqid) else {
            return;
        };
        cx.recall(reqid);
        if call.client == ClientId(0) {
            self.answer(cx, &call, -1, Bytes::new());
        } else {
            cx.count(Counting::call_left);
            let error = ReplyError {
                status: -1,
                msg: text.clone(),
            };
            cx.to_client(call.client, call.client_reqid, &Packet::ReplyError(error));
        }
        self.end_collapse(cx, &call.request.key, reqid);
    }

    fn answer(&mut self, cx: &mut Context, call: &Call, status: i32, result: Bytes) {
        let latency_s = cx.now().seconds_since(call.since_us);
        cx.count(|s| {
            s.call_left();
            add_latency(&mut s.call_latency, latency_s);
        });
        cx.note_latency(
            LogLevel::Warning,
            latency_s,
            "call_from_client_cb 3",
            &self.name,
        );
        if call.client == ClientId(0) {
            // The daemon's own call, for a vacuum run.
            let reqid = call.client_reqid;
            return cx.later(self.id, Parked::Fetched { reqid });
        }
        let strip = call.wanted == CallFunction::FETCH
            && call.request.callid == CallFunction::FETCH_WITH_HEADER;
        let data = if strip && result.len() >= crate::database::record::local::HEADER_SIZE {
            result.slice(crate::database::record::local::HEADER_SIZE..)
        } else {
            result
        };
        let answer = Packet::ReplyCall(ReplyCall { status, data });
        cx.to_client(call.client, call.client_reqid, &answer);
    }

    /// A node calls (or this node's own call came back to it).
    pub(in crate::database) fn call_from_node(
        &mut self,
        cx: &mut Context,
        header: Header,
        call: ReqCall,
    ) {
        let key = call.key.clone();
        if self.sticky && self.sticky_keys.pinned(&key) {
            return self.sticky_keys.hold(&key, header, call);
        }
        let park = |db: &Self, call| db.waiting(header, RecordPacket::Call(call));
        let served = self.with_lock(cx, &key, call, park, |db, cx, call| {
            db.serve_node(cx, header, call)
        });
        let refusal = match served {
            Locked::Done(Ok(())) | Locked::Parked => return,
            Locked::Done(Err(text)) => text,
            Locked::Failed => "ltdb fetch failed in ctdb_request_call",
        };
        refuse(cx, &header, refusal);
    }

    /// Serves a node's call; the lock is held.
    ///
    /// # Errors
    /// What the node is told.
    fn serve_node(
        &mut self,
        cx: &mut Context,
        header: Header,
        mut call: ReqCall,
    ) -> Result<(), &'static str> {
        let key = call.key.clone();
        let mut record = self.fetch(cx, &key).map_err(|error| {
            cx.error(format!(
                "{}: cannot read a record for node {}: {error}",
                self.name, header.srcnode
            ));
            "ltdb fetch failed in ctdb_request_call"
        })?;
        if !self.readonly {
            call.flags.remove(CallFlags::WANT_READONLY);
        }
        let wants_readonly = call.flags.contains(CallFlags::WANT_READONLY);
        let revoking = self.revoking(cx, &key, &mut record);
        let copies = RecordFlags::RO_HAVE_DELEGATIONS;
        if !revoking && record.header.dmaster != cx.pnn() && !record.header.flags.contains(copies) {
            self.redirect(cx, header, call, record.header.dmaster);
            return Ok(());
        }
        if revoking || self.revoke_if_needed(cx, &key, &mut record, wants_readonly) {
            let parked = self.waiting(header, RecordPacket::Call(call));
            self.defer_to_revoke(cx, &key, parked, wants_readonly);
            return Ok(());
        }
        if wants_readonly && call.callid == CallFunction::FETCH_WITH_HEADER {
            self.delegate(cx, &header, &key, &mut record);
            return Ok(());
        }
        self.count_hops(cx, &key, call.hopcount);
        if header.srcnode != cx.pnn() {
            self.hand_over(cx, &header, &key, &mut record);
            return Ok(());
        }
        let run = self.run(cx, &key, &mut record, call.callid);
        let data = run.map_err(|error| {
            cx.error(format!("{}: cannot run a call: {error}", self.name));
            "ltdb store failed in ctdb_request_call"
        })?;
        let (own, generation) = (cx.pnn(), self.generation);
        let answer = Packet::ReplyCall(ReplyCall { status: 0, data });
        cx.send(own, header.reqid, generation, &answer);
        Ok(())
    }

    /// The record is elsewhere: the call goes on, in the name of the node that made it.
    fn redirect(&mut self, cx: &mut Context, header: Header, mut call: ReqCall, dmaster: Pnn) {
        let Some(lmaster) = self.lmaster(cx, &call.key) else {
            return;
        };
        let dest = if lmaster == cx.pnn() {
            dmaster
        } else {
            lmaster
        };
        call.hopcount = call.hopcount.saturating_add(1);
        if call.hopcount % 100 > 95 {
            cx.warning(format!(
                "High hopcount {} dbid:{} key:{} reqid={:08x} pnn:{} src:{} lmaster:{} header->dmaster:{} dst:{}",
                call.hopcount,
                self.name,
                ctdb_protocol::hash::hash(&call.key),
                header.reqid.0,
                cx.pnn(),
                header.srcnode,
                lmaster,
                dmaster,
                dest
            ));
        }
        if cx.member(dest).is_none_or(|m| m.deleted()) {
            cx.error(format!(
                "{}: a record is said to be on node {dest}, which does not exist",
                self.name
            ));
            return;
        }
        let header = Header {
            destnode: dest,
            ..header
        };
        cx.forward(
            dest,
            ctdb_protocol::packet::encode(&header, &Packet::ReqCall(call)),
        );
    }

    /// This node is dmaster and another node wants the record: it becomes dmaster, by way of the lmaster.
    fn hand_over(&mut self, cx: &mut Context, header: &Header, key: &Bytes, record: &mut Record) {
        if self.commit.is_some() {
            cx.info(format!(
                "{}: a record stays here while a transaction is committed",
                self.name
            ));
            return;
        }
        if !record.data.is_empty() {
            record.header.flags.insert(RecordFlags::MIGRATED_WITH_DATA);
        }
        let Some(lmaster) = self.lmaster(cx, key) else {
            return;
        };
        if lmaster == cx.pnn() {
            return self.send_dmaster_reply(cx, header.srcnode, header.reqid, key, record);
        }
        let packet = Packet::ReqDmaster(ReqDmaster {
            db_id: self.id,
            rsn: record.header.rsn,
            dmaster: header.srcnode,
            key: key.clone(),
            data: record.data.clone(),
            record_flags: Some(record.header.flags),
            pad: Pad::ZERO,
        });
        record.header.dmaster = header.srcnode;
        let data = record.data.clone();
        if let Err(error) = self.store(cx, key, &mut record.header, &data) {
            cx.error(format!("{}: cannot give a record away: {error}", self.name));
            return;
        }
        let generation = self.generation;
        cx.send(lmaster, header.reqid, generation, &packet);
    }

    /// This node is lmaster: it notes who has the record now and sends it there.
    pub(in crate::database) fn send_dmaster_reply(
        &mut self,
        cx: &mut Context,
        new_dmaster: Pnn,
        reqid: ReqId,
        key: &Bytes,
        record: &mut Record,
    ) {
        record.header.dmaster = new_dmaster;
        let data = record.data.clone();
        let packet = ReplyDmaster {
            db_id: self.id,
            rsn: record.header.rsn,
            key: key.clone(),
            data: data.clone(),
            record_flags: Some(record.header.flags),
            pad: Pad::ZERO,
        };
        if let Err(error) = self.store(cx, key, &mut record.header, &data) {
            cx.error(format!(
                "{}: cannot note the new place of a record: {error}",
                self.name
            ));
            return;
        }
        let generation = self.generation;
        cx.send(
            new_dmaster,
            reqid,
            generation,
            &Packet::ReplyDmaster(packet),
        );
    }

    fn count_hops(&mut self, cx: &mut Context, key: &Bytes, hops: u32) {
        cx.count(|s| s.hops(hops));
        self.counters.hops(hops);
        if self.sticky && hops >= cx.tunables().hopcount_make_sticky() {
            self.make_sticky(cx, key);
        }
    }
}

/// Tells a local client that its call cannot be served. C leaves it waiting for ever.
fn refuse_client(cx: &mut Context, client: ClientId, reqid: ReqId, text: &'static str) {
    let error = ReplyError {
        status: -1,
        msg: Bytes::from_static(text.as_bytes()),
    };
    cx.to_client(client, reqid, &Packet::ReplyError(error));
}

/// Tells a node that its call cannot be served.
pub(in crate::database) fn refuse(cx: &mut Context, header: &Header, text: &'static str) {
    let error = ReplyError {
        status: -1,
        msg: Bytes::from_static(text.as_bytes()),
    };
    let generation = cx.generation();
    cx.send(
        header.srcnode,
        header.reqid,
        generation,
        &Packet::ReplyError(error),
    );
}
