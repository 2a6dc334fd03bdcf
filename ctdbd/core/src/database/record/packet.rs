//! Packets about records, and what had waited for something and goes on: each to its database.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, DbId, ReqId};
use ctdb_protocol::packet::{Header, ReplyCall, ReplyDmaster, ReqCall, ReqDmaster};

use crate::context::{self, Context};
use crate::database::record::call::refuse;
use crate::database::record::wait::Parked;
use crate::database::{Asked, Awaited, Databases};
use crate::effect::{Effect, Ticket};
use crate::statistics::Count as _;

/// A packet of a node about one record.
#[derive(Debug)]
pub enum RecordPacket {
    /// REQ_CALL.
    Call(ReqCall),
    /// REQ_DMASTER.
    Dmaster(ReqDmaster),
    /// REPLY_DMASTER.
    Granted(ReplyDmaster),
    /// REPLY_CALL.
    Answer(ReplyCall),
}

impl Databases {
    /// A local client calls.
    pub(crate) fn client_calls(
        &mut self,
        cx: &mut Context,
        client: ClientId,
        reqid: ReqId,
        call: ReqCall,
    ) {
        match self.map.get_mut(&call.db_id) {
            Some(db) => db.call_from_client(cx, client, reqid, call),
            None => cx.error(format!(
                "Unknown database in request. db_id=={}",
                call.db_id
            )),
        }
    }

    /// A node's packet, if its generation is that of this node: the others belong to another recovery.
    pub(crate) fn record_packet(&mut self, cx: &mut Context, header: Header, packet: RecordPacket) {
        if !cx.view().listens(header.generation) {
            return;
        }
        match packet {
            RecordPacket::Call(call) => {
                cx.count(|s| s.node.req_call.up());
                match self.map.get_mut(&call.db_id) {
                    Some(db) => db.call_from_node(cx, header, call),
                    None => refuse(cx, &header, "Unknown database in ctdb_req_call"),
                }
            }
            RecordPacket::Dmaster(request) => {
                cx.count(|s| s.node.req_dmaster.up());
                match self.map.get_mut(&request.db_id) {
                    Some(db) => db.dmaster_from_node(cx, header, request),
                    None => refuse(cx, &header, "Unknown database in ctdb_req_dmaster"),
                }
            }
            RecordPacket::Granted(reply) => {
                cx.count(|s| s.node.reply_dmaster.up());
                match self.map.get_mut(&reply.db_id) {
                    Some(db) => db.dmaster_granted(cx, header, reply),
                    None => cx.error(format!(
                        "Unknown database {} in ctdb_reply_dmaster",
                        reply.db_id
                    )),
                }
            }
            RecordPacket::Answer(reply) => {
                cx.count(|s| s.node.reply_call.up());
                if let Some(&context::Asked::Database(Asked::Call(id))) = cx.asked(header.reqid) {
                    self.with(id, |db| db.call_answered(cx, header, reply));
                }
            }
        }
    }

    /// The node that was asked cannot serve a call.
    pub(crate) fn call_refused(&mut self, cx: &mut Context, reqid: ReqId, text: &Bytes) {
        if let Some(&context::Asked::Database(Asked::Call(id))) = cx.asked(reqid) {
            self.with(id, |db| db.call_refused(cx, reqid, text));
        }
    }

    /// A packet that had waited for something in a database is processed again.
    pub(crate) fn go_on(&mut self, cx: &mut Context, id: DbId, parked: Parked) {
        match parked {
            Parked::Client {
                client,
                reqid,
                call,
            } => {
                if client.0 == 0 || cx.clients().there(client) {
                    self.with(id, |db| db.call_from_client(cx, client, reqid, call));
                }
            }
            Parked::Node {
                header,
                packet,
                generation,
            } => {
                if self.get(id).is_some_and(|db| db.generation == generation) {
                    self.record_packet(cx, header, packet);
                }
            }
            Parked::RevokeEnd { key } => self.with(id, |db| db.revoke_end(cx, &key)),
            Parked::Fetched { reqid } => self.vacuum_fetched(cx, reqid),
            Parked::Pushed { asker, push } => self.store_pushed(cx, asker, *push),
        }
    }

    /// A lock is held on our behalf.
    pub(crate) fn lock_granted(&mut self, cx: &mut Context, ticket: Ticket) {
        match cx.awaited(ticket) {
            Some(&context::Awaited::Database(Awaited::ChainLock(id, chain))) => {
                let Some(db) = self.map.get_mut(&id) else {
                    return;
                };
                for parked in db.begin_serving(cx, chain) {
                    self.go_on(cx, id, parked);
                }
                self.with(id, |db| db.end_serving(cx, chain));
            }
            Some(&context::Awaited::Database(Awaited::FileLock(id))) => {
                self.file_locked(cx, id, ticket);
            }
            _ => cx.effect(Effect::ReleaseLock { ticket }),
        }
    }

    /// A lock could not be had, or its helper died while it held it.
    pub(crate) fn lock_lost(&mut self, cx: &mut Context, ticket: Ticket, reason: &str) {
        match cx.settle(ticket) {
            Some(context::Awaited::Database(Awaited::ChainLock(id, chain))) => {
                let Some(db) = self.map.get_mut(&id) else {
                    return;
                };
                cx.error(format!(
                    "{}: a record could not be locked: {reason}",
                    db.name
                ));
                for parked in db.wait_failed(cx, chain) {
                    cx.later(id, parked);
                }
            }
            Some(context::Awaited::Database(Awaited::FileLock(id))) => {
                self.file_lock_lost(cx, id, reason);
            }
            _ => {}
        }
    }

    /// Some records of a walk over a file.
    pub(crate) fn scan_found(
        &mut self,
        cx: &mut Context,
        ticket: Ticket,
        records: Vec<(Bytes, Bytes)>,
    ) {
        match cx.awaited(ticket) {
            Some(context::Awaited::Database(Awaited::TraverseScan)) => {
                self.traverse_found(cx, ticket, records);
            }
            Some(context::Awaited::Database(Awaited::VacuumScan)) => self.vacuum_found(&records),
            _ => {}
        }
    }

    /// A walk over a file has ended.
    pub(crate) fn scan_done(&mut self, cx: &mut Context, ticket: Ticket, complete: bool) {
        match cx.settle(ticket) {
            Some(context::Awaited::Database(Awaited::TraverseScan)) => {
                self.traverse_walked(cx, ticket);
            }
            Some(context::Awaited::Database(Awaited::VacuumScan)) => {
                self.vacuum_scanned(cx, complete);
            }
            _ => {}
        }
    }
}
