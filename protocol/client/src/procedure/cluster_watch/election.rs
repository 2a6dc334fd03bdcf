//! Runs the election: its timers in, its effects out.

use std::collections::BTreeSet;
use std::time::Duration;

use ctdb_protocol::control::{
    GetAllTunables, GetCapabilities, GetNodeMap, GetVnnMap, RecdReclockLatency, SetRecmode,
};
use ctdb_protocol::message::{Election as ElectionPort, Leader as LeaderPort};
use ctdb_protocol::types::{
    Capabilities, ElectionMessage, NodeFlags, NodeMap, RecoveryMode, Timeval,
};
use ctdb_protocol::wire::Seconds;
use ctdb_protocol::{Generation, Pnn, Srvid, encode};
use futures_util::future::{FutureExt, LocalBoxFuture};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Watch;
use super::view::{View, numbers};
use crate::ControlError;
use crate::procedure::ask::{ask, ask_all};
use crate::procedure::election::{Candidate, Effect, Input, Status};
use crate::procedure::environment::{Environment, Level};
use crate::procedure::tunables::Tunables;
use ctdb_protocol::LockAnswer;

/// Limit of a control to the own daemon before its tunables are known.
const LOCAL_LIMIT: Duration = Duration::from_secs(30);

/// Work of which at most one of a kind runs, beside the queue of effects.
type Running<'a> = Option<LocalBoxFuture<'a, Input>>;

impl<E: Environment> Watch<E> {
    /// Tells the rules when their timers are due.
    pub(super) async fn keep_time(&self) {
        loop {
            let wake = self.began + self.election.borrow().next_wake();
            tokio::select! {
                biased;
                () = sleep_until(wake) => self.feed(Input::Timer),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Carries out effects in order; attempts at the lock and preparations run beside them.
    pub(super) async fn carry_out_all(&self, queue: &mut mpsc::UnboundedReceiver<Effect>) {
        let mut attempt: Running<'_> = None;
        let mut preparation: Running<'_> = None;
        loop {
            tokio::select! {
                biased;
                // Before anything else: a process that was stopped may have lost it long ago.
                () = self.environment.lock_lost() => self.feed(Input::LockLost),
                effect = queue.recv() => match effect {
                    Some(Effect::TryLock) => attempt = Some(self.try_lock().boxed_local()),
                    Some(Effect::Prepare) => preparation = Some(self.prepare().boxed_local()),
                    Some(Effect::ReleaseLock) => {
                        let tried = attempt.take().is_some();
                        self.environment.release_lock().await;
                        if tried {
                            self.feed(Input::Lock(LockAnswer::Failed));
                        }
                    }
                    Some(effect) => self.carry_out(effect),
                    None => return,
                },
                input = finished(&mut attempt) => self.feed(input),
                input = finished(&mut preparation) => self.feed(input),
            }
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Broadcast(leader) if leader == self.own && !self.leads() => {}
            Effect::Broadcast(leader) => {
                self.client
                    .send_to::<LeaderPort>(Pnn::BROADCAST_CONNECTED, &leader);
            }
            Effect::Announce(candidate) => {
                self.client
                    .send_to::<ElectionPort>(Pnn::BROADCAST_ALL, &message(&candidate));
            }
            Effect::Yield(winner) => {
                self.client
                    .send_message(winner, Srvid::ELECTION_YIELD, encode(&self.own));
            }
            Effect::Changed { from, to } => {
                self.log(
                    Level::Notice,
                    &format!("Leader changed from node {from} to node {to}"),
                );
                // A leader that was killed in the middle of a run cannot allow the others' runs again.
                self.state.borrow_mut().takeovers.leader_gone();
                self.wake.notify_one();
            }
            Effect::Log(text) => self.log(Level::Warning, &text),
            Effect::TryLock | Effect::Prepare | Effect::ReleaseLock => {}
        }
    }

    async fn try_lock(&self) -> Input {
        let attempt = self.environment.try_lock().await;
        let latency = Seconds(attempt.latency_s);
        self.client
            .request::<RecdReclockLatency>(Pnn::CURRENT, &latency)
            .no_reply()
            .send();
        Input::Lock(attempt.answer)
    }

    /// Puts the active nodes into recovery mode. A node that does not answer within the leader timeout
    /// is as good as gone; it will do as told if it ever reads its packets.
    async fn prepare(&self) -> Input {
        let Some(view) = self.view.borrow().clone() else {
            return Input::Prepared { ok: false };
        };
        let limit = view
            .tunables
            .recover_timeout()
            .min(self.configuration.leader_timeout);
        let active = view.active();
        let answers =
            ask_all::<SetRecmode>(&self.client, &active, &RecoveryMode::ACTIVE, limit).await;
        let ok = answers
            .iter()
            .any(|(node, answer)| *node == self.own && answer.is_ok());
        for (node, answer) in answers {
            if let Err(error) = answer {
                self.log(Level::Warning, &format!("Election: node {node}: {error}"));
            }
        }
        Input::Prepared { ok }
    }

    /// Gives up leadership in a way that others notice, before the watch ends.
    pub(super) async fn resign(&self, queue: &mut mpsc::UnboundedReceiver<Effect>) {
        self.feed(Input::Resign);
        self.environment.release_lock().await;
        while let Ok(effect) = queue.try_recv() {
            self.carry_out(effect);
        }
    }

    /// Reads the own situation and tells the election.
    pub(super) async fn refresh(&self) -> Result<View, ControlError> {
        let tunables = ask::<GetAllTunables>(&self.client, Pnn::CURRENT, &(), LOCAL_LIMIT).await?;
        let nodes = ask::<GetNodeMap>(&self.client, Pnn::CURRENT, &(), LOCAL_LIMIT).await?;
        let can = ask::<GetCapabilities>(&self.client, Pnn::CURRENT, &(), LOCAL_LIMIT).await?;
        let view = View {
            own: self.own,
            nodes,
            tunables: Tunables::from(tunables),
        };
        let status = Status {
            flags: view.own_flags(),
            capable: can.contains(Capabilities::RECMASTER),
            connected: view.connected().into_iter().collect::<BTreeSet<Pnn>>(),
            total: undeleted(&view.nodes),
            election_timeout: view.tunables.election_timeout(),
            wall: self.environment.wall_clock(),
        };
        self.view.replace(Some(view.clone()));
        self.feed(Input::Status(status));
        Ok(view)
    }

    /// Begins the first election at once when no leader can exist: every node is connected to every
    /// other, and none has ever been part of a recovery. Whoever sees the last connection come up
    /// notices first.
    pub(super) async fn start_cold(&self, view: &View) {
        let waiting = {
            let leader = self.election.borrow();
            leader.leader() == Pnn::UNKNOWN && !leader.electing()
        };
        let connected = view.connected();
        let all = undeleted(&view.nodes);
        if !waiting || connected.len() != all {
            return;
        }
        let limit = view.tunables.recover_timeout();
        let maps = ask_all::<GetVnnMap>(&self.client, &connected, &(), limit).await;
        let all_new = maps.iter().all(|(_, map)| {
            map.as_ref()
                .is_ok_and(|map| map.generation == Generation::INVALID)
        });
        if !all_new {
            return;
        }
        let maps = ask_all::<GetNodeMap>(&self.client, &connected, &(), limit).await;
        let all_meshed = maps
            .into_iter()
            .all(|(_, map)| map.is_ok_and(|map| numbers(&map, View::NOT_CONNECTED).len() == all));
        if all_meshed {
            self.feed(Input::ColdStart);
        }
    }
}

fn undeleted(map: &NodeMap) -> usize {
    map.nodes
        .iter()
        .filter(|node| !node.flags.contains(NodeFlags::DELETED))
        .count()
}

fn message(candidate: &Candidate) -> ElectionMessage {
    let (sec, usec) = candidate.priority;
    ElectionMessage::new(
        candidate.connected,
        Timeval { sec, usec },
        candidate.pnn,
        candidate.flags,
    )
}

/// The result of work that runs; never, while none does. Safe to be dropped and called again.
async fn finished(work: &mut Running<'_>) -> Input {
    match work {
        Some(running) => {
            let input = running.await;
            *work = None;
            input
        }
        None => std::future::pending().await,
    }
}
