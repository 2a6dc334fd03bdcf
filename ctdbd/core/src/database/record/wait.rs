//! Waiting for chain locks that clients hold.
//!
//! Whatever wants a record of a locked chain is parked behind that chain, in order of arrival. One
//! waiter outside of the loop stands for all of them; when it has the lock the whole queue is served
//! under it. So a thousand waiters cost one helper, not a thousand.

use std::collections::VecDeque;

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Generation, ReqId};
use ctdb_protocol::packet::{Header, ReqCall};
use ctdb_protocol::types::PushRecord;

use crate::context::Context;
use crate::control::Asker;
use crate::database::Awaited;
use crate::database::Db;
use crate::database::record::packet::RecordPacket;
use crate::effect::{Effect, LockScope, LogLevel, Ticket};
use crate::statistics::{Count as _, Counting as _};
use crate::store::TryLock;

/// A packet that is processed again once its lock can be had.
#[derive(Debug)]
pub enum Parked {
    /// A call of a local client.
    Client {
        /// Its connection.
        client: ClientId,
        /// Its request id.
        reqid: ReqId,
        /// The call.
        call: ReqCall,
    },
    /// A packet of a node (or of this node to itself).
    Node {
        /// Its header.
        header: Header,
        /// Its body.
        packet: RecordPacket,
        /// Generation of the database when it was parked: dropped if that has changed since.
        generation: Generation,
    },
    /// All holders of read-only copies have answered: note the outcome in the record.
    RevokeEnd {
        /// The record.
        key: Bytes,
    },
    /// A call of the running vacuum run was answered.
    Fetched {
        /// Its request id.
        reqid: ReqId,
    },
    /// A record that another node has pushed here.
    Pushed {
        /// Who is to be told.
        asker: Asker,
        /// The record.
        push: Box<PushRecord>,
    },
}

/// The queue behind one locked chain.
#[derive(Debug)]
pub(in crate::database) struct Wait {
    /// The wait outside of the loop.
    pub ticket: Ticket,
    /// When the first of the queue was parked, monotonic microseconds.
    pub since_us: u64,
    /// One key of the chain.
    pub key: Bytes,
    /// In order of arrival.
    pub queue: VecDeque<Parked>,
}

/// What became of something that had to be done under a record's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Locked<R> {
    /// It was done, with this result.
    Done(R),
    /// It waits for the lock, and comes back by [`crate::database::Databases`]'s `go_on`.
    Parked,
    /// The file is broken.
    Failed,
}

/// What a try for a record's lock gave.
enum Access {
    Locked,
    Wait,
    Failed,
}

impl Db {
    /// Does `step` to `what` under the lock of a key, and gives the lock back. While somebody has it, or waits for it, or
    /// the file is frozen, it waits as what `park` makes of it.
    pub(in crate::database) fn with_lock<T, R>(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        what: T,
        park: impl FnOnce(&Self, T) -> Parked,
        step: impl FnOnce(&mut Self, &mut Context, T) -> R,
    ) -> Locked<R> {
        match self.try_access(cx, key) {
            Access::Locked => {
                let result = step(self, cx, what);
                self.table.unlock(key);
                Locked::Done(result)
            }
            Access::Wait => {
                let parked = park(self, what);
                self.park(cx, key, parked);
                Locked::Parked
            }
            Access::Failed => Locked::Failed,
        }
    }

    /// Does `step` under the lock of a key if nobody has it just now.
    pub(in crate::database) fn if_free<R>(
        &mut self,
        cx: &mut Context,
        key: &[u8],
        step: impl FnOnce(&mut Self, &mut Context) -> R,
    ) -> Option<R> {
        match self.table.try_lock(key) {
            Ok(TryLock::Held) => {
                let result = step(self, cx);
                self.table.unlock(key);
                Some(result)
            }
            Ok(TryLock::Busy) => None,
            Err(error) => {
                cx.error(format!("{}: cannot lock a record: {error}", self.name));
                None
            }
        }
    }

    /// Tries for the lock of a key, behind those who wait for its chain already.
    fn try_access(&mut self, cx: &mut Context, key: &[u8]) -> Access {
        if self.freeze.is_frozen() {
            return Access::Wait;
        }
        let chain = self.table.chain_of(key);
        if self.serving != Some(chain) && self.waits.contains_key(&chain) {
            return Access::Wait;
        }
        match self.table.try_lock(key) {
            Ok(TryLock::Held) => Access::Locked,
            Ok(TryLock::Busy) => Access::Wait,
            Err(error) => {
                cx.error(format!("{}: cannot lock a record: {error}", self.name));
                Access::Failed
            }
        }
    }

    /// A node's packet as it waits for something.
    pub(in crate::database) fn waiting(&self, header: Header, packet: RecordPacket) -> Parked {
        Parked::Node {
            header,
            packet,
            generation: self.generation,
        }
    }

    /// Puts a packet behind the lock of its key.
    fn park(&mut self, cx: &mut Context, key: &Bytes, parked: Parked) {
        if self.freeze.is_frozen() {
            self.frozen_queue.push_back(parked);
            return;
        }
        let chain = self.table.chain_of(key);
        if let Some(wait) = self.waits.get_mut(&chain) {
            wait.queue.push_back(parked);
            cx.count(|s| s.locks.num_pending.up());
            self.counters.locks.num_pending.up();
            return;
        }
        let ticket = cx.expect(Awaited::ChainLock(self.id, chain));
        cx.effect(Effect::AwaitLock {
            ticket,
            path: self.table.path().to_owned(),
            open_flags: self.table.open_flags(),
            scope: LockScope::Record(key.clone()),
            at_most: cx.tunables().lock_processes_per_db(),
        });
        cx.count(|s| {
            s.locks.num_calls.up();
            s.locks.num_current.up();
        });
        self.counters.locks.num_calls.up();
        self.counters.locks.num_current.up();
        let queue = VecDeque::from([parked]);
        self.waits.insert(
            chain,
            Wait {
                ticket,
                since_us: cx.now().monotonic_us,
                key: key.clone(),
                queue,
            },
        );
    }

    /// The lock of a chain is held for us: serve its queue. The caller gives back what must go on
    /// through the ordinary entry functions.
    pub(in crate::database) fn begin_serving(
        &mut self,
        cx: &mut Context,
        chain: u32,
    ) -> VecDeque<Parked> {
        let Some(wait) = self.waits.get_mut(&chain) else {
            return VecDeque::new();
        };
        let queue = std::mem::take(&mut wait.queue);
        let key = wait.key.clone();
        let waited_s = cx.now().seconds_since(wait.since_us);
        cx.count(|s| s.lock_done(waited_s));
        self.counters.lock_done(waited_s);
        cx.note_latency(LogLevel::Error, waited_s, "lock_record", &self.name);
        self.none_pending(cx, &queue);
        self.table.mark(&key);
        self.serving = Some(chain);
        queue
    }

    /// The queue has been served; lets the lock go, or keeps the wait when more has been parked.
    pub(in crate::database) fn end_serving(&mut self, cx: &mut Context, chain: u32) {
        self.serving = None;
        if let Some(wait) = self.waits.remove(&chain) {
            self.table.unmark(&wait.key);
            cx.settle(wait.ticket);
            cx.effect(Effect::ReleaseLock {
                ticket: wait.ticket,
            });
            for parked in wait.queue {
                self.park(cx, &wait.key, parked);
            }
        }
    }

    /// A lock could not be had: the queue is tried again without it, and parks again if need be.
    pub(in crate::database) fn wait_failed(
        &mut self,
        cx: &mut Context,
        chain: u32,
    ) -> VecDeque<Parked> {
        cx.count(|s| s.lock_failed());
        self.counters.lock_failed();
        let wait = self.waits.remove(&chain);
        let queue = wait.map(|wait| wait.queue).unwrap_or_default();
        self.none_pending(cx, &queue);
        queue
    }

    /// The packets of a queue do not wait for its lock any more; the first one never counted as pending,
    /// since the wait is its own.
    fn none_pending(&mut self, cx: &mut Context, queue: &VecDeque<Parked>) {
        let parked = u32::try_from(queue.len().saturating_sub(1)).unwrap_or(u32::MAX);
        cx.count(|s| s.locks.num_pending = s.locks.num_pending.saturating_sub(parked));
        self.counters.locks.num_pending = self.counters.locks.num_pending.saturating_sub(parked);
    }
}
