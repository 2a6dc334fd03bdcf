//! The controls that this service answers.

use bytes::Bytes;
use ctdb_protocol::control::DatabaseRequest as Request;
use ctdb_protocol::id::DbId;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{
    ControlFlags, DbAndFlags, DbMap, DbStatistics, HotKey, RunState, TraverseAll, TraverseStart,
};
use ctdb_protocol::wire::Blob;

use super::Databases;
use crate::cluster;
use crate::context::Context;
use crate::control::{Answer, Asker};
use crate::database::attach::Request as Attach;
use crate::store::Kind;

impl Databases {
    /// A control of any node. `flags` and `data` are those of its packet.
    pub(crate) fn control(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        (flags, data): (ControlFlags, Bytes),
        request: Request,
    ) -> Answer {
        match request {
            // What there is.
            Request::GetDbPath(id) => {
                Answer::maybe(self.get(id).map(|db| Text::from(db.table.path())).as_ref())
            }
            Request::GetDbName(id) => {
                Answer::maybe(self.get(id).map(|db| Text::from(db.name.as_str())).as_ref())
            }
            Request::GetDbMap(()) => Answer::with(&self.db_map()),
            Request::DbOpenFlags(id) => {
                Answer::maybe(self.get(id).map(|db| db.table.open_flags()).as_ref())
            }
            Request::DbAttach(name) => self.attach_control(cx, asker, flags, &name, Kind::Volatile),
            Request::DbAttachPersistent(name) => {
                self.attach_control(cx, asker, flags, &name, Kind::Persistent)
            }
            Request::DbAttachReplicated(name) => {
                self.attach_control(cx, asker, flags, &name, Kind::Replicated)
            }
            Request::DbDetach(id) => Answer::yes_or_no(self.detach(cx, asker, id)),
            Request::SetDbReadonly(id) => self.set_readonly(cx, id),
            Request::SetDbSticky(id) => self.set_sticky(id),
            Request::DbSetHealthy(id) => self.set_healthy(cx, id),
            Request::DbGetHealth(id) => self.health(cx, id),
            Request::GetDbStatistics(id) => self.statistics(id),

            // Recovery.
            Request::Freeze(()) => {
                self.freeze_all(cx, Some(asker));
                Answer::Taken
            }
            Request::DbFreeze(id) => Answer::taken(self.freeze_one(cx, id, asker)),
            Request::DbThaw(id) => Answer::yes_or_no(self.find(id).map(|db| db.thaw(cx)).is_some()),
            Request::DbTransactionStart(request) => {
                Answer::yes_or_no(self.transaction_start(cx, request))
            }
            Request::DbTransactionCommit(request) => {
                Answer::yes_or_no(self.transaction_commit(cx, request))
            }
            Request::DbTransactionCancel(id) => Answer::yes_or_no(self.transaction_cancel(id)),
            Request::WipeDatabase(request) => Answer::yes_or_no(self.wipe(cx, request)),
            Request::DbPull(request) => {
                Answer::taken(self.pull(cx, asker, request.db_id, request.srvid))
            }
            Request::DbPushStart(request) => {
                Answer::yes_or_no(self.push_start(cx, request.db_id, request.srvid))
            }
            Request::DbPushConfirm(id) => Answer::maybe(self.push_confirm(cx, id).as_ref()),

            // Records.
            Request::EnableSeqnum(id) => Answer::yes_or_no(self.enable_sequence(cx, id)),
            Request::UpdateSeqnum(id) => {
                Answer::yes_or_no(self.sequence_changed(cx, asker.node, id))
            }
            Request::GetDbSeqnum(request) => {
                let db = self.get(request.db_id);
                Answer::maybe(db.and_then(super::Db::sequence_record).as_ref())
            }
            Request::Trans3Commit(buffer) => Answer::taken(self.commit(cx, asker, buffer)),
            Request::UpdateRecord(buffer) => {
                Answer::taken(self.update(cx, asker, buffer.db_id, data))
            }
            Request::TryDeleteRecords(buffer) => {
                Answer::maybe(self.try_delete(cx, &buffer).as_ref())
            }
            Request::ScheduleForDeletion(request) => Answer::yes_or_no(self.schedule(
                request.db_id,
                request.key.as_ref(),
                request.header,
            )),
            Request::VacuumFetch(buffer) => Answer::yes_or_no(self.vacuum_fetch(&buffer)),
            Request::DbVacuum(request) => {
                Answer::taken(self.vacuum_now(cx, asker, request.db_id, request.full))
            }
            Request::PushRecord(push) => {
                self.push_record(cx, asker, push);
                Answer::Taken
            }
            Request::PushRecordStore(push) => {
                self.store_pushed(cx, asker, push);
                Answer::Taken
            }

            // Traverses.
            Request::TraverseStart(request) => self.traverse_control(cx, asker, request, false),
            Request::TraverseStartExt(request) => {
                let plain = TraverseStart {
                    db_id: request.db_id,
                    reqid: request.reqid,
                    srvid: request.srvid,
                };
                self.traverse_control(cx, asker, plain, request.with_empty_records)
            }
            Request::TraverseAll(request) => {
                Answer::yes_or_no(self.traverse_walk(cx, request, false))
            }
            Request::TraverseAllExt(request) => {
                let plain = TraverseAll {
                    db_id: request.db_id,
                    reqid: request.reqid,
                    pnn: request.pnn,
                    client_reqid: request.client_reqid,
                    srvid: request.srvid,
                };
                Answer::yes_or_no(self.traverse_walk(cx, plain, request.with_empty_records))
            }
            Request::TraverseData(record) => Answer::yes_or_no(self.traverse_data(cx, record)),
            Request::TraverseKill(request) => Answer::yes_or_no(self.traverse_kill(cx, request)),
        }
    }

    fn db_map(&self) -> DbMap {
        let entry = |id: &DbId| self.get(*id).map(|db| DbAndFlags::new(*id, db.flags()));
        DbMap {
            dbs: self.order.iter().filter_map(entry).collect(),
        }
    }

    fn attach_control(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        flags: ControlFlags,
        name: &Text,
        kind: Kind,
    ) -> Answer {
        let Some(text) = std::str::from_utf8(name.as_bytes())
            .ok()
            .filter(|_| name.is_terminated())
        else {
            cx.error("a database name is not terminated or not text");
            return Answer::Status(-1);
        };
        let request = Attach {
            asker,
            name: text.to_owned(),
            kind,
            flags,
        };
        self.attach(cx, request, asker.local);
        Answer::Taken
    }

    fn traverse_control(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        request: TraverseStart,
        with_empty: bool,
    ) -> Answer {
        if !asker.local {
            cx.error("a traverse was started by someone who is no client of this node");
            return Answer::Status(-1);
        }
        self.traverse_start(cx, asker, request, with_empty);
        Answer::Taken
    }

    fn set_readonly(&mut self, cx: &mut Context, id: DbId) -> Answer {
        let Some(db) = self.find(id) else {
            return Answer::Status(-1);
        };
        if db.readonly {
            return Answer::Status(0);
        }
        if !db.volatile() {
            cx.error(format!(
                "{}: only a volatile database can give out read-only copies",
                db.name
            ));
            return Answer::Status(-1);
        }
        match db.table.open_tracking() {
            Ok(tracking) => {
                db.tracking = Some(tracking);
                db.readonly = true;
                Answer::Status(0)
            }
            Err(error) => {
                cx.error(format!(
                    "{}: cannot open the list of read-only copies: {error}",
                    db.name
                ));
                Answer::Status(-1)
            }
        }
    }

    fn set_sticky(&mut self, id: DbId) -> Answer {
        let Some(db) = self.find(id).filter(|db| db.volatile()) else {
            return Answer::Status(-1);
        };
        db.sticky = true;
        Answer::Status(0)
    }

    /// An operator says that a database is to be trusted again.
    fn set_healthy(&mut self, cx: &mut Context, id: DbId) -> Answer {
        let Self { map, storage, .. } = self;
        let Some(db) = map.get_mut(&id) else {
            return Answer::Status(-1);
        };
        let was_unhealthy = db.unhealthy.is_some();
        let done = db.set_health(cx, storage.as_mut(), None);
        if was_unhealthy && cx.run_state() == RunState::STARTUP {
            let reason = cluster::Reason::Database;
            cx.post(cluster::Letter::RecoveryWanted(reason));
        }
        Answer::yes_or_no(done)
    }

    fn health(&mut self, cx: &mut Context, id: DbId) -> Answer {
        let Self { map, storage, .. } = self;
        let Some(db) = map.get_mut(&id) else {
            return Answer::Status(-1);
        };
        if db.kind == Kind::Persistent {
            match storage.health(&db.name) {
                Ok(reason) => db.note_unhealthy(cx, reason),
                Err(error) => {
                    cx.error(format!("{}: cannot read its health: {error}", db.name));
                    return Answer::Status(-1);
                }
            }
        }
        match &db.unhealthy {
            Some(reason) => Answer::with(&Text::from(reason.as_str())),
            None => Answer::Status(0),
        }
    }

    fn statistics(&self, id: DbId) -> Answer {
        let Some(db) = self.get(id) else {
            return Answer::Status(-1);
        };
        let mut statistics = DbStatistics {
            locks: db.counters.locks,
            vacuum_latency: db.counters.vacuum_latency,
            ro_delegations: db.counters.ro_delegations,
            ro_revokes: db.counters.ro_revokes,
            hop_count_bucket: db.counters.hop_buckets,
            num_hot_keys: u32::try_from(DbStatistics::HOT_KEYS).unwrap_or(0),
            ..DbStatistics::default()
        };
        for (slot, (count, key)) in statistics
            .hot_keys
            .iter_mut()
            .rev()
            .zip(db.hot_keys.slots().iter().rev())
        {
            *slot = HotKey {
                count: *count,
                key: Blob::from(key.as_ref()),
                ..HotKey::default()
            };
        }
        Answer::with(&statistics)
    }
}
