//! Message ports of the watch: what other nodes, the own daemon and the tool ask of it.

use std::time::Duration;

use ctdb_protocol::types::{DisableMessage, ElectionMessage, NodeFlagChange, SrvidMessage};
use ctdb_protocol::{Pnn, Srvid, Wire, all, encode};
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Watch, ports};
use crate::procedure::environment::{Environment, Level};
use crate::procedure::leader::{Candidate, Input};
use crate::{Client, ControlError, Message};

/// -EAGAIN, the answer to who forbids work that runs just now.
const AGAIN: i32 = -11;

/// The ports that a watch listens to.
const PORTS: [Srvid; 13] = [
    Srvid::LEADER,
    Srvid::ELECTION,
    ports::ELECTION_YIELD,
    ports::NODE_CHANGED,
    Srvid::BANNING,
    Srvid::PUSH_NODE_FLAGS,
    Srvid::RELOAD_NODES,
    Srvid::TAKEOVER_RUN,
    Srvid::REBALANCE_NODE,
    Srvid::DISABLE_TAKEOVER_RUNS,
    Srvid::DISABLE_RECOVERIES,
    Srvid::DISABLE_IP_CHECK,
    Srvid::MEM_DUMP,
];

/// A port with what comes in by it.
pub(super) type OpenPort = (Srvid, mpsc::UnboundedReceiver<Message>);

/// Registers all ports.
pub(super) async fn open(client: &Client) -> Result<Vec<OpenPort>, ControlError> {
    let mut open = Vec::with_capacity(PORTS.len());
    for port in PORTS {
        open.push((port, client.register(port).await?));
    }
    Ok(open)
}

impl<E: Environment> Watch<E> {
    /// Serves all ports at the same time; ends when the connection to the daemon does.
    pub(super) async fn serve(&self, ports: Vec<OpenPort>) {
        join_all(ports.into_iter().map(async |(_, mut messages)| {
            while let Some(message) = messages.recv().await {
                self.take(&message).await;
            }
        }))
        .await;
    }

    async fn take(&self, message: &Message) {
        let taken = match message.srvid {
            Srvid::LEADER => self.read(message, |leader| self.feed(Input::Leader(leader))),
            Srvid::ELECTION => self.read(message, |election| {
                self.feed(Input::Election(candidate(&election)));
            }),
            ports::ELECTION_YIELD => self.read(message, |from| self.feed(Input::Yielded(from))),
            ports::NODE_CHANGED => {
                self.node_changed().await;
                Some(())
            }
            Srvid::BANNING => self.read(message, |node| self.take_banning(node)),
            Srvid::PUSH_NODE_FLAGS => {
                match self.read::<NodeFlagChange, _>(message, |change| change) {
                    Some(change) => {
                        self.push_flags(change).await;
                        Some(())
                    }
                    None => None,
                }
            }
            Srvid::RELOAD_NODES => {
                self.node_changed().await;
                Some(())
            }
            Srvid::TAKEOVER_RUN => self.read(message, |request| self.take_request(request)),
            Srvid::REBALANCE_NODE => self.read(message, |node: Pnn| {
                if self.leads() {
                    self.state.borrow_mut().rebalance.push(node);
                }
            }),
            Srvid::DISABLE_TAKEOVER_RUNS => self.read(message, |ask: DisableMessage| {
                let time = Duration::from_secs(ask.timeout_s.into());
                let done = self
                    .state
                    .borrow_mut()
                    .takeovers
                    .disable(Instant::now(), time);
                self.answer(
                    ask.pnn,
                    ask.srvid,
                    if done.is_ok() {
                        self.own_status()
                    } else {
                        AGAIN
                    },
                );
                self.wake.notify_one();
            }),
            Srvid::DISABLE_RECOVERIES => self.read(message, |ask: DisableMessage| {
                let time = Duration::from_secs(ask.timeout_s.into());
                let done = self
                    .state
                    .borrow_mut()
                    .recoveries
                    .disable(Instant::now(), time);
                self.answer(
                    ask.pnn,
                    ask.srvid,
                    if done.is_ok() {
                        self.own_status()
                    } else {
                        AGAIN
                    },
                );
                self.wake.notify_one();
            }),
            Srvid::DISABLE_IP_CHECK => self.read(message, |seconds: u32| {
                let time = Duration::from_secs(seconds.into());
                // While a takeover run is on, the check is off anyway.
                let _ = self
                    .state
                    .borrow_mut()
                    .takeovers
                    .disable(Instant::now(), time);
            }),
            Srvid::MEM_DUMP => self.read(message, |ask: SrvidMessage| self.report_memory(ask)),
            _ => Some(()),
        };
        if taken.is_none() {
            self.log(
                Level::Error,
                &format!(
                    "Malformed message of {} bytes to port {} from node {}",
                    message.data.len(),
                    message.srvid,
                    message.src
                ),
            );
        }
    }

    /// Reads a payload that must have exactly the size of its type.
    fn read<T: Wire, R>(&self, message: &Message, then: impl FnOnce(T) -> R) -> Option<R> {
        all(&message.data).ok().map(then)
    }

    async fn node_changed(&self) {
        if let Err(error) = self.refresh().await {
            self.log(Level::Warning, &format!("Own situation unknown: {error}"));
        }
        self.wake.notify_one();
    }

    fn take_banning(&self, node: Pnn) {
        let view = self.view.borrow().clone();
        if let (true, Some(view)) = (self.leads(), view) {
            self.credit(&view, node, view.size());
        }
    }

    fn take_request(&self, request: SrvidMessage) {
        self.state.borrow_mut().requests.push(request);
        self.wake.notify_one();
    }

    /// Own node number as a status.
    fn own_status(&self) -> i32 {
        i32::try_from(self.own.0).unwrap_or(-1)
    }

    /// Answers a request that wants an answer.
    pub(super) fn answer(&self, node: Pnn, srvid: Srvid, status: i32) {
        if srvid != Srvid(0) {
            self.client.send_message(node, srvid, encode(&status));
        }
    }

    /// What upstream answers is its allocator's report; here it is what the watch keeps.
    fn report_memory(&self, ask: SrvidMessage) {
        let state = self.state.borrow();
        let report = format!(
            "cluster watch of node {}: {} requests, {} nodes to rebalance, {} recoveries pending\n\0",
            self.own,
            state.requests.len(),
            state.rebalance.len(),
            u32::from(self.need_recovery.get()),
        );
        self.client
            .send_message(ask.pnn, ask.srvid, report.into_bytes());
    }
}

fn candidate(message: &ElectionMessage) -> Candidate {
    Candidate {
        pnn: message.pnn,
        connected: message.num_connected,
        priority: (message.priority_time.sec, message.priority_time.usec),
        flags: message.node_flags,
    }
}
