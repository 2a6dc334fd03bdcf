//! Vacuuming: emptied records of volatile databases are removed, first on every other node, then on
//! the lmaster. Answers to upstream's `ctdb_vacuum.c`.
//!
//! A run works through its lists in slices, so that no lock is held longer than a few records take,
//! and one run is under way on a node at a time. The lists are taken from the database when the run
//! begins; what is emptied meanwhile waits for the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::{TryDeleteRecords, VacuumFetch};
use ctdb_protocol::hash::hash;
use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};
use ctdb_protocol::packet::ReqCall;
use ctdb_protocol::types::{
    CallFlags, CallFunction, LtdbHeader, MarshallBuffer, RecordFlags, RecordRef,
};
use ctdb_protocol::wire::encode;

use super::{Asked, Awaited, Due};
use super::{Databases, Db};
use crate::context::Context;
use crate::context::{self, About};
use crate::control::Asker;
use crate::database::record::local::{HEADER_SIZE, read};
use crate::database::record::wait::Parked;
use crate::effect::{Effect, LogLevel, ScanFilter, Ticket};
use crate::statistics::add_latency;
use crate::store::StoreResult;
use crate::timer::TimerId;

/// Records that one slice works on.
const SLICE: usize = 64;
/// While another database is vacuumed, look again after this long.
const BUSY_RETRY: Duration = Duration::from_millis(500);

/// An emptied record: its key and the header it had when it was emptied.
type Emptied = (Bytes, LtdbHeader);

/// What a run is doing.
#[derive(Debug)]
enum Step {
    /// A walk over the file finds emptied records (full run only).
    Scan(Ticket),
    /// Records of the fetch queue are being called here.
    Fetch {
        /// Not yet called.
        left: VecDeque<Bytes>,
        /// Called, not yet here.
        underway: BTreeSet<ReqId>,
        /// Called or here: looked at once all calls are answered.
        called: Vec<Bytes>,
    },
    /// Emptied records are sorted by what has to happen to them.
    Sort(VecDeque<Emptied>),
    /// Other nodes are asked, one after the other, to delete their copies.
    Ask(VecDeque<Pnn>),
    /// What all others have deleted is deleted here.
    Delete(VecDeque<Emptied>),
    /// The file's free areas are counted, and it is repacked when there are too many.
    Repack,
}

/// A run.
#[derive(Debug)]
struct Run {
    db: DbId,
    since_us: u64,
    step: Step,
    /// Emptied records, by hash, that are still to be looked at.
    emptied: BTreeMap<u32, Emptied>,
    /// Keys to be fetched by other lmasters.
    elsewhere: BTreeMap<Pnn, Vec<Bytes>>,
    /// Records that every other node is to delete.
    everywhere: BTreeMap<Bytes, LtdbHeader>,
    full: bool,
    asker: Option<Asker>,
    limit: TimerId,
    failed: bool,
}

/// Vacuuming on this node.
#[derive(Debug, Default)]
pub(super) struct Vacuuming {
    run: Option<Run>,
}

impl Databases {
    /// Arms the timer of a database's next run.
    pub(super) fn arm_vacuum(&self, cx: &mut Context, id: DbId) {
        let interval = Duration::from_secs(u64::from(cx.tunables().vacuum_interval().max(1)));
        cx.arm(interval, Due::Vacuum(id));
    }

    /// It is time for a run.
    pub(super) fn vacuum_due(&mut self, cx: &mut Context, id: DbId) {
        if !self.map.contains_key(&id) {
            return;
        }
        if self.vacuum.run.is_some() {
            cx.arm(BUSY_RETRY, Due::Vacuum(id));
            return;
        }
        let full_after = cx.tunables().vacuum_fast_path_count();
        let full = full_after > 0
            && self
                .map
                .get(&id)
                .is_some_and(|db| db.fast_runs >= full_after);
        if self.may_vacuum(cx, id) {
            self.vacuum_begin(cx, id, full, None);
        }
        self.arm_vacuum(cx, id);
    }

    fn may_vacuum(&self, cx: &Context, id: DbId) -> bool {
        !cx.recovering()
            && self.map.get(&id).is_some_and(|db| {
                db.volatile()
                    && matches!(db.freeze, crate::database::recovery::freeze::Freeze::Thawed)
            })
    }

    /// DB_VACUUM: a run out of turn. False when it is refused; else it is answered when the run ends.
    pub(super) fn vacuum_now(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        id: DbId,
        full: bool,
    ) -> bool {
        if !self.may_vacuum(cx, id) || self.vacuum.run.is_some() {
            cx.error(format!("database {id} cannot be vacuumed now"));
            return false;
        }
        self.vacuum_begin(cx, id, full, Some(asker));
        true
    }

    fn vacuum_begin(&mut self, cx: &mut Context, id: DbId, full: bool, asker: Option<Asker>) {
        let Some(db) = self.map.get_mut(&id) else {
            return;
        };
        db.fast_runs = if full { 0 } else { db.fast_runs + 1 };
        let idle = db.delete_queue.is_empty() && db.fetch_queue.is_empty();
        if idle && !full && asker.is_none() && !db.holes {
            return;
        }
        let emptied = std::mem::take(&mut db.delete_queue);
        let fetch = std::mem::take(&mut db.fetch_queue);
        let limit = Duration::from_secs(u64::from(cx.tunables().vacuum_max_run_time().max(1)));
        let limit = cx.arm(limit, Due::VacuumLimit(id));
        let left = fetch.into_values().collect();
        let fetch = Step::Fetch {
            left,
            underway: BTreeSet::new(),
            called: Vec::new(),
        };
        let mut run = Run {
            db: id,
            since_us: cx.now().monotonic_us,
            step: fetch,
            emptied,
            elsewhere: BTreeMap::new(),
            everywhere: BTreeMap::new(),
            full,
            asker,
            limit,
            failed: false,
        };
        if full {
            let (path, open_flags) = (db.table.path().to_owned(), db.table.open_flags());
            let ticket = cx.expect(Awaited::VacuumScan);
            cx.effect(Effect::Scan {
                ticket,
                path,
                open_flags,
                filter: ScanFilter::DeletedBy(cx.pnn()),
            });
            // The fetch step is kept for after the walk.
            if let Step::Fetch { left, .. } = std::mem::replace(&mut run.step, Step::Scan(ticket)) {
                db.fetch_queue = left.into_iter().map(|key| (hash(&key), key)).collect();
            }
        }
        self.vacuum.run = Some(run);
        self.vacuum_continue(cx);
    }

    /// Emptied records that the walk of a full run has found.
    pub(super) fn vacuum_found(&mut self, records: &[(Bytes, Bytes)]) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        for (key, value) in records {
            if let Ok((header, _)) = LtdbHeader::split(value) {
                run.emptied
                    .entry(hash(key))
                    .or_insert_with(|| (key.clone(), header));
            }
        }
    }

    /// The walk of a full run has ended.
    pub(super) fn vacuum_scanned(&mut self, cx: &mut Context, complete: bool) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        if !matches!(run.step, Step::Scan(_)) {
            return;
        }
        run.failed |= !complete;
        let left = self
            .map
            .get_mut(&run.db)
            .map(|db| std::mem::take(&mut db.fetch_queue))
            .unwrap_or_default();
        run.step = Step::Fetch {
            left: left.into_values().collect(),
            underway: BTreeSet::new(),
            called: Vec::new(),
        };
        self.vacuum_continue(cx);
    }

    /// Goes on with the run after a slice's pause or an answer.
    pub(super) fn vacuum_continue(&mut self, cx: &mut Context) {
        let Some(mut run) = self.vacuum.run.take() else {
            return;
        };
        let Some(db) = self.map.get_mut(&run.db) else {
            return;
        };
        match run.advance(cx, db) {
            Progress::Again => {
                cx.arm(Duration::ZERO, Due::VacuumSlice);
                self.vacuum.run = Some(run);
            }
            Progress::Wait => self.vacuum.run = Some(run),
            Progress::Done => finish(cx, db, run),
        }
    }

    /// A call of the fetch step was answered (its record is here), or it will not be.
    pub(super) fn vacuum_fetched(&mut self, cx: &mut Context, client_reqid: ReqId) {
        if let Some(Run {
            step: Step::Fetch { underway, .. },
            ..
        }) = &mut self.vacuum.run
            && underway.remove(&client_reqid)
        {
            self.vacuum_continue(cx);
        }
    }

    /// A node has said which records it could not delete; `None`: the control failed.
    pub(super) fn vacuum_asked(
        &mut self,
        cx: &mut Context,
        id: DbId,
        node: Pnn,
        kept: Option<&MarshallBuffer>,
    ) {
        let Some(run) = self.vacuum.run.as_mut().filter(|run| run.db == id) else {
            return;
        };
        let Step::Ask(nodes) = &mut run.step else {
            return;
        };
        if nodes.front() != Some(&node) {
            return;
        }
        nodes.pop_front();
        match kept {
            Some(kept) => {
                for record in kept.records() {
                    run.everywhere.remove(record.key);
                }
            }
            None => {
                cx.error(format!(
                    "Failed to delete records on node {node}: none is deleted"
                ));
                run.everywhere.clear();
                nodes.clear();
                run.failed = true;
            }
        }
        self.vacuum_continue(cx);
    }

    /// A repack has ended.
    pub(crate) fn vacuum_repacked(&mut self, cx: &mut Context) {
        if let Some(run) = self.vacuum.run.take()
            && let Some(db) = self.map.get_mut(&run.db)
        {
            finish(cx, db, run);
        }
    }

    /// Ends the run of a database without result (a freeze, a detach, VacuumMaxRunTime).
    pub(super) fn stop_vacuum(&mut self, cx: &mut Context, id: DbId) {
        let Some(run) = self.vacuum.run.take_if(|run| run.db == id) else {
            return;
        };
        cx.disarm(run.limit);
        if let Step::Scan(ticket) = run.step {
            cx.settle(ticket);
            cx.effect(Effect::CancelScan { ticket });
        }
        cx.recall_about(About::Database(id), |asked| {
            matches!(asked, context::Asked::Database(Asked::VacuumDelete { .. }))
        });
        if let Some(asker) = run.asker {
            cx.reply_status(asker, -1);
        }
        if let Some(db) = self.map.get_mut(&id) {
            let took_s = cx.now().seconds_since(run.since_us);
            add_latency(&mut db.counters.vacuum_latency, took_s);
            cx.note_latency(LogLevel::Error, took_s, "vacuum", &db.name);
        }
    }

    /// VACUUM_FETCH: emptied records elsewhere of which this node is lmaster.
    pub(super) fn vacuum_fetch(&mut self, buffer: &MarshallBuffer) -> bool {
        let Some(db) = self.map.get_mut(&buffer.db_id).filter(|db| db.volatile()) else {
            return false;
        };
        for record in buffer.records() {
            db.fetch_queue
                .insert(hash(record.key), Bytes::copy_from_slice(record.key));
        }
        true
    }

    /// SCHEDULE_FOR_DELETION: a client has emptied a record.
    pub(crate) fn schedule(&mut self, id: DbId, key: &[u8], header: LtdbHeader) -> bool {
        let Some(db) = self.map.get_mut(&id).filter(|db| db.volatile()) else {
            return false;
        };
        db.schedule_for_deletion(key, header);
        true
    }

    /// TRY_DELETE_RECORDS: deletes what may be deleted here, gives back the rest.
    pub(super) fn try_delete(
        &mut self,
        cx: &mut Context,
        buffer: &MarshallBuffer,
    ) -> Option<MarshallBuffer> {
        let db = self.map.get_mut(&buffer.db_id).filter(|db| db.volatile())?;
        let mut kept = MarshallBuffer::new(buffer.db_id);
        for record in buffer.records() {
            if !db.try_delete(cx, record) {
                kept.push(record.reqid, record.key, record.data);
            }
        }
        Some(kept)
    }
}

/// How far a slice has come.
enum Progress {
    /// There is more to do at once.
    Again,
    /// An answer is awaited.
    Wait,
    /// The run has ended.
    Done,
}

impl Run {
    fn advance(&mut self, cx: &mut Context, db: &mut Db) -> Progress {
        match &mut self.step {
            Step::Scan(_) | Step::Repack => Progress::Wait,
            Step::Fetch {
                left,
                underway,
                called,
            } => {
                let some = left.len().min(SLICE);
                let keys: Vec<Bytes> = left.drain(..some).collect();
                for key in keys {
                    if let Some(reqid) = fetch(cx, db, &key) {
                        underway.insert(reqid);
                        called.push(key);
                    }
                }
                if !underway.is_empty() {
                    return if left.is_empty() {
                        Progress::Wait
                    } else {
                        Progress::Again
                    };
                }
                if !left.is_empty() {
                    return Progress::Again;
                }
                for key in std::mem::take(called) {
                    // Emptied and here: the next run (or this one) deletes it.
                    if let Ok(Some(record)) = read(db.table.as_ref(), &key)
                        && record.data.is_empty()
                    {
                        db.schedule_for_deletion(&key, record.header);
                    }
                }
                self.step = Step::Sort(std::mem::take(&mut self.emptied).into_values().collect());
                Progress::Again
            }
            Step::Sort(left) => {
                let some = left.len().min(SLICE);
                let batch: Vec<Emptied> = left.drain(..some).collect();
                let done = left.is_empty();
                for (key, header) in batch {
                    self.sort(cx, db, key, header);
                }
                if done {
                    self.tell_lmasters(cx);
                    self.begin_asking(cx);
                }
                Progress::Again
            }
            Step::Ask(nodes) => {
                let Some(&node) = nodes.front().filter(|_| !self.everywhere.is_empty()) else {
                    self.step =
                        Step::Delete(std::mem::take(&mut self.everywhere).into_iter().collect());
                    return Progress::Again;
                };
                let mut buffer = MarshallBuffer::new(self.db);
                for (key, header) in &self.everywhere {
                    buffer.push(ReqId(self.db.0), key, &encode(header));
                }
                let pending = Asked::VacuumDelete { db: self.db, node };
                if cx.control::<TryDeleteRecords>(node, &buffer, ClientId(0), pending) {
                    return Progress::Wait;
                }
                cx.error(format!(
                    "Failed to delete records on node {node}: it is not connected"
                ));
                self.failed = true;
                self.everywhere.clear();
                Progress::Again
            }
            Step::Delete(left) => {
                let some = left.len().min(SLICE);
                let batch: Vec<Emptied> = left.drain(..some).collect();
                let done = left.is_empty();
                for (key, header) in batch {
                    delete_here(cx, db, &key, &header);
                }
                if !done {
                    return Progress::Again;
                }
                self.repack_if_fragmented(cx, db)
            }
        }
    }

    /// Decides what has to happen to one emptied record.
    fn sort(&mut self, cx: &mut Context, db: &mut Db, key: Bytes, header: LtdbHeader) {
        // A record in use is left for a later run.
        db.if_free(cx, &key, |db, cx| {
            let usable = stored_empty(db, &key)
                .is_some_and(|stored| stored.dmaster == cx.pnn() && stored.rsn == header.rsn);
            if !usable {
                return;
            }
            let lmaster = db.lmaster(cx, &key);
            if lmaster != Some(cx.pnn()) {
                if let Some(lmaster) = lmaster {
                    self.elsewhere.entry(lmaster).or_default().push(key.clone());
                }
            } else if header.flags.contains(RecordFlags::MIGRATED_WITH_DATA) {
                self.everywhere.insert(key.clone(), header);
            } else if let Err(error) = db.delete(&key) {
                cx.error(format!("{}: cannot delete a record: {error}", db.name));
            }
        });
    }

    fn tell_lmasters(&mut self, cx: &mut Context) {
        for (lmaster, keys) in std::mem::take(&mut self.elsewhere) {
            let mut buffer = MarshallBuffer::new(self.db);
            for key in &keys {
                buffer.push(ReqId(cx.pnn().0), key, &[]);
            }
            cx.announce::<VacuumFetch>(lmaster, &buffer);
        }
    }

    fn begin_asking(&mut self, cx: &Context) {
        let others = cx
            .expand(Pnn::BROADCAST_ACTIVE)
            .into_iter()
            .filter(|&node| node != cx.pnn());
        self.step = Step::Ask(others.collect());
    }

    /// Counting walks the whole list of free areas under its lock, so a helper does it, and only where
    /// there can be more of them than last time: after a full run, or when records have been deleted.
    fn repack_if_fragmented(&mut self, cx: &mut Context, db: &mut Db) -> Progress {
        let limit = cx.tunables().repack_limit();
        let holes = std::mem::take(&mut db.holes);
        if limit == 0 || !(holes || self.full || self.asker.is_some()) {
            return Progress::Done;
        }
        let (path, open_flags) = (db.table.path().to_owned(), db.table.open_flags());
        let ticket = cx.expect(Awaited::Repack);
        cx.effect(Effect::Repack {
            ticket,
            path,
            open_flags,
            limit,
        });
        self.step = Step::Repack;
        Progress::Wait
    }
}

/// The run has ended by itself.
fn finish(cx: &mut Context, db: &mut Db, run: Run) {
    cx.disarm(run.limit);
    let took_s = cx.now().seconds_since(run.since_us);
    add_latency(&mut db.counters.vacuum_latency, took_s);
    cx.note_latency(LogLevel::Error, took_s, "vacuum", &db.name);
    if let Some(asker) = run.asker {
        cx.reply_status(asker, if run.failed { -1 } else { 0 });
    }
}

/// Calls an emptied record to this node, its lmaster. `None` when there is nothing to call.
fn fetch(cx: &mut Context, db: &mut Db, key: &Bytes) -> Option<ReqId> {
    let elsewhere = db.if_free(cx, key, |db, cx| {
        let record = read(db.table.as_ref(), key).ok().flatten();
        record.is_some_and(|record| record.header.dmaster != cx.pnn())
    });
    if elsewhere != Some(true) {
        return None;
    }
    let reqid = cx.next_reqid();
    let call = ReqCall {
        flags: CallFlags::IMMEDIATE_MIGRATION | CallFlags::VACUUM_MIGRATION,
        db_id: db.id,
        callid: CallFunction::NULL,
        hopcount: 0,
        key: key.clone(),
        calldata: Bytes::new(),
    };
    // Client 0 is the daemon itself: the answer comes back to this run.
    let parked = Parked::Client {
        client: ClientId(0),
        reqid,
        call,
    };
    cx.later(db.id, parked);
    Some(reqid)
}

/// The header of a record that has no data.
fn stored_empty(db: &Db, key: &[u8]) -> Option<LtdbHeader> {
    let record = read(db.table.as_ref(), key).ok().flatten()?;
    record.data.is_empty().then_some(record.header)
}

/// All others have deleted their copies: delete ours, if nothing has changed.
fn delete_here(cx: &mut Context, db: &mut Db, key: &Bytes, header: &LtdbHeader) {
    db.if_free(cx, key, |db, cx| {
        let unchanged = stored_empty(db, key).is_some_and(|stored| {
            stored.dmaster == cx.pnn()
                && stored.rsn == header.rsn
                && !stored.flags.intersects(RecordFlags::RO_FLAGS)
        });
        if unchanged
            && db.lmaster(cx, key) == Some(cx.pnn())
            && let Err(error) = db.delete(key)
        {
            cx.error(format!("{}: cannot delete a record: {error}", db.name));
        }
    });
}

impl Db {
    /// Deletes a record, which leaves a hole in the file.
    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.holes = true;
        self.table.delete(key)
    }

    /// Deletes this node's copy of a record for its lmaster. True when there is none afterwards.
    fn try_delete(&mut self, cx: &mut Context, record: RecordRef<'_>) -> bool {
        let Ok(given) = record.header().map(|(header, _)| header) else {
            return false;
        };
        let key = Bytes::copy_from_slice(record.key);
        if record.data.len() != HEADER_SIZE || self.lmaster(cx, &key) == Some(cx.pnn()) {
            return false;
        }
        let gone = self.if_free(cx, &key, |db, cx| match read(db.table.as_ref(), &key) {
            Ok(Some(stored)) => {
                let flags = stored.header.flags | given.flags;
                let may = stored.header.rsn <= given.rsn
                    && !flags.intersects(RecordFlags::RO_FLAGS)
                    && stored.header.dmaster != cx.pnn();
                may && db.delete(&key).is_ok()
            }
            // Absent, or shorter than a header: corrupt, hence deleted.
            Ok(None) => db.delete(&key).is_ok(),
            Err(_) => false,
        });
        let gone = gone == Some(true);
        if gone {
            self.unschedule(&key);
        }
        gone
    }
}
