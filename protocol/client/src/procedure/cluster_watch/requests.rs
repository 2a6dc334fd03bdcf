//! Message ports of the watch: what other nodes, the own daemon and the tool ask of it.

use std::time::Duration;

use ctdb_protocol::types::{DisableMessage, ElectionMessage, NodeFlagChange, SrvidMessage};
use ctdb_protocol::{Pnn, Srvid, Wire, all, encode};
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::operation::Operation;
use super::{State, Watch};
use crate::procedure::election::{Candidate, Input};
use crate::procedure::environment::{Environment, Level};
use crate::{Client, ControlError, Message};

/// -EAGAIN, the answer to a node that forbids work which is running just now.
const AGAIN: i32 = -11;

/// The ports that a watch listens to.
const PORTS: [Srvid; 13] = [
    Srvid::LEADER,
    Srvid::ELECTION,
    Srvid::ELECTION_YIELD,
    Srvid::NODE_CHANGED,
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
            Srvid::ELECTION_YIELD => self.read(message, |from| self.feed(Input::Yielded(from))),
            Srvid::NODE_CHANGED => {
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
                self.disable(ask, |state| &mut state.takeovers);
                // A tool names a port for the answer.
                if ask.srvid == Srvid(0) {
                    self.state.borrow_mut().takeovers.disabled_by_leader();
                }
            }),
            Srvid::DISABLE_RECOVERIES => self.read(message, |ask: DisableMessage| {
                self.disable(ask, |state| &mut state.recoveries);
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
            self.credit(&view, node, view.size(), "it made takeover runs fail");
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

    /// Leaves a kind of work for a while; if it runs just now, once that has ended.
    fn disable(&self, ask: DisableMessage, operation: impl Fn(&mut State) -> &mut Operation) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        let operation = operation(&mut state);
        let done = operation.disable(now, Duration::from_secs(ask.timeout_s.into()));
        let waits = done.is_err() && ask.srvid != Srvid(0);
        if waits && operation.disable_later(now, ask).is_ok() {
            return;
        }
        drop(state);
        let status = if done.is_ok() {
            self.own_status()
        } else {
            AGAIN
        };
        self.answer(ask.pnn, ask.srvid, status);
        self.wake.notify_one();
    }

    /// Tells those who waited for the end of running work that it is left alone from now on.
    pub(super) fn granted(&self, asks: &[DisableMessage]) {
        for ask in asks {
            self.answer(ask.pnn, ask.srvid, self.own_status());
        }
    }

    /// Answers a request that wants an answer.
    pub(super) fn answer(&self, node: Pnn, srvid: Srvid, status: i32) {
        if srvid != Srvid(0) {
            self.client.send_message(node, srvid, encode(&status));
        }
    }

    /// Tells what the watch holds, one line per kind of thing, in the form of the talloc report that
    /// tools expect; upstream's is its allocator's.
    fn report_memory(&self, ask: SrvidMessage) {
        let state = self.state.borrow();
        let nodes = self
            .view
            .borrow()
            .as_ref()
            .map_or(0, |view| view.nodes.nodes.len());
        let rows = [
            ("struct ctdb_recoverd", 1, 512),
            ("struct ctdb_node_map", nodes, 36),
            ("struct ctdb_tunable_list", 1, 248),
            ("struct ctdb_banning_state", state.credits.len(), 48),
            ("struct ctdb_srvid_message", state.requests.len(), 16),
            ("uint32_t force_rebalance_nodes", state.rebalance.len(), 4),
            ("struct ctdb_capabilities", state.capabilities.len(), 8),
            ("struct ctdb_op_state", 2, 64),
            (
                "struct ctdb_iface_list",
                usize::from(state.interfaces.is_some()),
                24,
            ),
            ("struct ctdb_leader", 1, 256),
            ("struct srvid_handler", PORTS.len(), 64),
        ];
        let bytes: usize = rows.iter().map(|(_, count, size)| count * size).sum();
        let blocks: usize = rows.iter().map(|(_, count, _)| count).sum();
        let mut report = format!(
            "full talloc report on 'null_context' (total {bytes:6} bytes in {blocks} blocks)\n"
        );
        for (row, (name, count, size)) in (1..).zip(&rows) {
            // The last column is an address in C; here it numbers the rows.
            report.push_str(&format!(
                "    {name:<30} contains {:6} bytes in {count:3} blocks (ref 0) 0x{row:x}\n",
                count * size
            ));
        }
        report.push('\0');
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
