//! Traverse: a client sees every record of a database once, wherever it is.
//!
//! The node of the client (the origin) asks the nodes that hold records; each walks its file outside
//! of the loop and sends what it finds, then an empty record. Answers to upstream's `ctdb_traverse.c`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control;
use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{RecData, TraverseAll, TraverseAllExt, TraverseStart};
use ctdb_protocol::wire::{Pad, encode};

use super::Databases;
use super::{Awaited, Due};
use crate::context::Context;
use crate::control::Asker;
use crate::effect::{Effect, ScanFilter, Ticket};
use crate::proxy;
use crate::statistics::Count as _;
use crate::timer::TimerId;

/// A traverse that a client of this node has started.
#[derive(Debug)]
struct Traverse {
    client: ClientId,
    client_reqid: ReqId,
    srvid: Srvid,
    db: DbId,
    volatile: bool,
    ended: usize,
    timer: TimerId,
}

/// A walk over a local file on behalf of some node's client.
#[derive(Debug)]
struct Walk {
    request: TraverseAll,
}

impl Walk {
    fn name(&self) -> (DbId, ReqId, Srvid) {
        let request = &self.request;
        (request.db_id, request.client_reqid, request.srvid)
    }
}

/// Traverses that started here, and walks for traverses of any node.
#[derive(Debug, Default)]
pub(super) struct Traverses {
    last: u32,
    started: BTreeMap<u32, Traverse>,
    of_client: BTreeMap<ClientId, BTreeSet<u32>>,
    walks: BTreeMap<Ticket, Walk>,
    /// Walks by what a TRAVERSE_KILL names: database, number and port of the client.
    killable: BTreeMap<(DbId, ReqId, Srvid), BTreeSet<Ticket>>,
}

impl Databases {
    /// TRAVERSE_START or TRAVERSE_START_EXT of a local client. The answer is sent before the first
    /// record, which is why this answers itself.
    pub(super) fn traverse_start(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        request: TraverseStart,
        with_empty: bool,
    ) {
        let Some(db) = self.map.get(&request.db_id) else {
            cx.error(format!("unknown database {} in a traverse", request.db_id));
            return cx.reply_status(asker, -1);
        };
        if db.unhealthy.is_some() && cx.tunables().allow_unhealthy_db_read() == 0 {
            let text = format!("{}: no traverse, the database is unhealthy", db.name);
            cx.error(text);
            return cx.reply_status(asker, -1);
        }
        self.traverses.last = self.traverses.last.wrapping_add(1);
        let reqid = self.traverses.last;
        let limit = Duration::from_secs(u64::from(cx.tunables().traverse_timeout()));
        let timer = cx.arm(limit, Due::Traverse(reqid));
        let volatile = db.volatile();
        self.traverses.begin(
            reqid,
            Traverse {
                client: asker.client,
                client_reqid: request.reqid,
                srvid: request.srvid,
                db: request.db_id,
                volatile,
                ended: 0,
                timer,
            },
        );
        cx.reply_status(asker, 0);
        let dest = if volatile {
            Pnn::BROADCAST_ACTIVE
        } else if cx.vnn_map().nodes.contains(&cx.pnn()) {
            cx.pnn()
        } else {
            cx.vnn_map()
                .nodes
                .first()
                .copied()
                .unwrap_or_else(|| cx.pnn())
        };
        let all = TraverseAll {
            db_id: request.db_id,
            reqid: ReqId(reqid),
            pnn: cx.pnn(),
            client_reqid: request.reqid,
            srvid: request.srvid,
        };
        if with_empty {
            let ext = TraverseAllExt {
                db_id: all.db_id,
                reqid: all.reqid,
                pnn: all.pnn,
                client_reqid: all.client_reqid,
                srvid: all.srvid,
                with_empty_records: true,
                pad: Pad::ZERO,
            };
            cx.announce::<control::TraverseAllExt>(dest, &ext);
        } else {
            cx.announce::<control::TraverseAll>(dest, &all);
        }
    }

    /// TRAVERSE_ALL or TRAVERSE_ALL_EXT: walk the local file for a node.
    pub(super) fn traverse_walk(
        &mut self,
        cx: &mut Context,
        request: TraverseAll,
        with_empty: bool,
    ) -> bool {
        let Some(db) = self.map.get(&request.db_id) else {
            return false;
        };
        if db.unhealthy.is_some() && cx.tunables().allow_unhealthy_db_read() == 0 {
            return false;
        }
        let filter = match (db.volatile(), with_empty) {
            (false, _) => ScanFilter::All,
            (true, false) => ScanFilter::OwnedBy(cx.pnn()),
            (true, true) => ScanFilter::OwnedOrEmpty(cx.pnn()),
        };
        let (path, open_flags) = (db.table.path().to_owned(), db.table.open_flags());
        let ticket = cx.expect(Awaited::TraverseScan);
        self.traverses.begin_walk(ticket, Walk { request });
        cx.effect(Effect::Scan {
            ticket,
            path,
            open_flags,
            filter,
        });
        true
    }

    /// Records of a walk: on to the origin.
    pub(super) fn traverse_found(
        &mut self,
        cx: &mut Context,
        ticket: Ticket,
        records: Vec<(Bytes, Bytes)>,
    ) {
        let Some(request) = self.traverses.walks.get(&ticket).map(|walk| walk.request) else {
            return;
        };
        for (key, data) in records {
            self.pass_on(
                cx,
                request,
                RecData {
                    reqid: request.reqid,
                    key,
                    data,
                },
            );
        }
    }

    /// The end of a walk: an empty record tells the origin.
    pub(super) fn traverse_walked(&mut self, cx: &mut Context, ticket: Ticket) {
        let Some(walk) = self.traverses.end_walk(ticket) else {
            return;
        };
        let end = RecData {
            reqid: walk.request.reqid,
            key: Bytes::new(),
            data: Bytes::new(),
        };
        self.pass_on(cx, walk.request, end);
    }

    fn pass_on(&mut self, cx: &mut Context, request: TraverseAll, record: RecData) {
        if request.pnn == cx.pnn() {
            self.traverse_data(cx, record);
        } else {
            cx.announce::<control::TraverseData>(request.pnn, &record);
        }
    }

    /// TRAVERSE_DATA: a record (or the end of one node's) for a traverse that started here.
    pub(super) fn traverse_data(&mut self, cx: &mut Context, record: RecData) -> bool {
        let Some(traverse) = self.traverses.started.get_mut(&record.reqid.0) else {
            return false;
        };
        let reqid = record.reqid.0;
        let end = record.key.is_empty() && record.data.is_empty();
        if end && traverse.volatile {
            traverse.ended += 1;
            if traverse.ended < cx.expand(Pnn::BROADCAST_ACTIVE).len() {
                return true;
            }
        }
        let for_client = RecData {
            reqid: traverse.client_reqid,
            ..record
        };
        deliver(cx, traverse.srvid, &for_client);
        if end && let Some(traverse) = self.traverses.end(reqid) {
            cx.disarm(traverse.timer);
        }
        true
    }

    /// TraverseTimeout is over: the client gets what there is and the end.
    pub(super) fn traverse_timed_out(&mut self, cx: &mut Context, reqid: u32) {
        let Some(traverse) = self.traverses.end(reqid) else {
            return;
        };
        cx.count(|s| s.timeouts.traverse.up());
        cx.error(format!(
            "Traverse timeout on database:{}",
            self.map.get(&traverse.db).map_or("?", |db| &db.name)
        ));
        let end = RecData {
            reqid: traverse.client_reqid,
            key: Bytes::new(),
            data: Bytes::new(),
        };
        deliver(cx, traverse.srvid, &end);
        kill(cx, &traverse);
    }

    /// A client has gone: nobody wants the rest of its traverses.
    pub(super) fn traverse_gone(&mut self, cx: &mut Context, client: ClientId) {
        let of_client = self.traverses.of_client.remove(&client);
        let gone = of_client.into_iter().flatten();
        for reqid in gone {
            if let Some(traverse) = self.traverses.end(reqid) {
                cx.disarm(traverse.timer);
                kill(cx, &traverse);
            }
        }
    }

    /// TRAVERSE_KILL: stop the walk for this client's traverse.
    pub(super) fn traverse_kill(&mut self, cx: &mut Context, request: TraverseStart) -> bool {
        if !self.map.contains_key(&request.db_id) {
            return false;
        }
        let name = (request.db_id, request.reqid, request.srvid);
        let oldest = self.traverses.killable.get(&name).and_then(BTreeSet::first);
        if let Some(ticket) = oldest.copied() {
            self.traverses.end_walk(ticket);
            cx.settle(ticket);
            cx.effect(Effect::CancelScan { ticket });
        }
        true
    }
}

impl Traverses {
    fn begin(&mut self, reqid: u32, traverse: Traverse) {
        let of_client = self.of_client.entry(traverse.client).or_default();
        of_client.insert(reqid);
        self.started.insert(reqid, traverse);
    }

    fn end(&mut self, reqid: u32) -> Option<Traverse> {
        let traverse = self.started.remove(&reqid)?;
        if let Some(of_client) = self.of_client.get_mut(&traverse.client) {
            of_client.remove(&reqid);
            if of_client.is_empty() {
                self.of_client.remove(&traverse.client);
            }
        }
        Some(traverse)
    }

    fn begin_walk(&mut self, ticket: Ticket, walk: Walk) {
        self.killable.entry(walk.name()).or_default().insert(ticket);
        self.walks.insert(ticket, walk);
    }

    fn end_walk(&mut self, ticket: Ticket) -> Option<Walk> {
        let walk = self.walks.remove(&ticket)?;
        let name = walk.name();
        if let Some(tickets) = self.killable.get_mut(&name) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.killable.remove(&name);
            }
        }
        Some(walk)
    }

    /// A database is detached: its walks end.
    pub(super) fn forget_database(&mut self, cx: &mut Context, id: DbId) {
        let tickets: Vec<Ticket> = self
            .walks
            .iter()
            .filter(|(_, walk)| walk.request.db_id == id)
            .map(|(&ticket, _)| ticket)
            .collect();
        for ticket in tickets {
            self.end_walk(ticket);
            cx.settle(ticket);
            cx.effect(Effect::CancelScan { ticket });
        }
    }
}

fn kill(cx: &mut Context, traverse: &Traverse) {
    let request = TraverseStart {
        db_id: traverse.db,
        reqid: traverse.client_reqid,
        srvid: traverse.srvid,
    };
    cx.announce::<control::TraverseKill>(Pnn::BROADCAST_CONNECTED, &request);
}

/// A record for the client that walks, at the port that it has named.
fn deliver(cx: &mut Context, srvid: Srvid, record: &RecData) {
    let data = Bytes::from(encode(record));
    cx.post(proxy::Letter::Deliver { srvid, data });
}
