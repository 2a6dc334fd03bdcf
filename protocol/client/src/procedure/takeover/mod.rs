// SPDX-License-Identifier: GPL-3.0-or-later
//! One takeover run: ask every node which public addresses it knows and could host, decide who hosts
//! which, and make it so. To be called on the leader. Upstream: `ctdb_takeover_helper.c`.
//!
//! [`allocation`] is the decision itself, [`stage`] sends the controls, [`super::culprits`] remembers who
//! was in the way.

pub mod allocation;
mod stage;

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use ctdb_config::HomeNode;
use ctdb_protocol::control::{
    GetAllTunables, GetNodeMap, GetPublicIps, Ipreallocated, Ping, StartIpreallocate,
};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::message::Banning;
use ctdb_protocol::types::{ControlFlags, NodeFlags, NodeMap, PublicIp};
use futures_util::future::join_all;
use thiserror::Error;
use tokio::time::Instant;

use super::culprits::Culprits;
use super::environment::Level;
use super::recovery::Log;
use super::tunables::Tunables;
use crate::{Client, ControlError};
use allocation::{Algorithm, Journal, Situation};
use stage::{describe, status_of};

/// Limit of the first control, before the tunables are known.
const FIRST_LIMIT: Duration = Duration::from_secs(9);
/// The four stages that change something may take this many times TakeoverTimeout together: killing
/// connections makes a release long, and four times would come near to what SMB clients bear.
const STAGES_TIMES: u32 = 3;
/// How long the daemon may take to accept the last message.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// `errno` when nobody is there to host anything, as upstream has it.
const ENOMEM: i32 = 12;

/// What a run is to do beside the usual.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Nodes that are to get addresses although they have some.
    pub rebalance: Vec<Pnn>,
    /// `[failover] disabled`: tell the nodes that a run took place, and move nothing.
    pub failover_disabled: bool,
}

/// What a run takes from whoever makes it.
pub struct Surroundings<'a> {
    /// Where lines go.
    pub log: Log<'a>,
    /// Is a line of the allocation wanted? It has one for each alternative that it looks at.
    pub wants: &'a dyn Fn(Level) -> bool,
    /// Reads the file `home_nodes`; called if the algorithm asks for it. An error is a line to log.
    pub home_nodes: &'a dyn Fn() -> Result<Vec<HomeNode>, String>,
}

/// Why a run did not succeed, as one number: the status of the control that failed, or an `errno`
/// (110 for a time-out). The lines about it are in the log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("takeover run failed, ret={0}")]
pub struct TakeoverError(pub i32);

/// What all stages share.
struct Run<'a> {
    client: &'a Client,
    around: &'a Surroundings<'a>,
    own: Pnn,
    tunables: Tunables,
    nodes: usize,
    connected: Vec<Pnn>,
    active: Vec<Pnn>,
    deadline: Instant,
    culprits: RefCell<Culprits>,
}

/// Makes one takeover run.
///
/// # Errors
/// The first stage that failed; later stages were not begun then, and the node that failed most
/// often has been reported to the own node's watch, which bans on repetition.
pub async fn run(
    client: &Client,
    orders: &Orders,
    around: &Surroundings<'_>,
) -> Result<(), TakeoverError> {
    let mut run = Run::begin(client, around).await?;
    let outcome = if orders.failover_disabled {
        run.conclude().await
    } else {
        run.redistribute(orders).await
    };
    if outcome.is_err() {
        run.report_worst().await;
    }
    outcome
}

impl<'a> Run<'a> {
    async fn begin(
        client: &'a Client,
        around: &'a Surroundings<'a>,
    ) -> Result<Self, TakeoverError> {
        let log = around.log;
        let failed = |control: &str| {
            let control = control.to_owned();
            move |error: ControlError| {
                let ret = status_of(&error);
                log(
                    Level::Error,
                    &format!("control {control} failed, ret={ret}"),
                );
                TakeoverError(ret)
            }
        };
        let own = client.pnn().await.map_err(failed("GET_PNN"))?;
        let tunables = client
            .request::<GetAllTunables>(own, &())
            .timeout(FIRST_LIMIT);
        let tunables = Tunables::from(tunables.send().await.map_err(failed("GET_ALL_TUNABLES"))?);
        let limit = tunables.takeover_timeout();
        let node_map = client.request::<GetNodeMap>(own, &()).timeout(limit);
        let node_map = node_map.send().await.map_err(|error| {
            if error.is_timeout() {
                let ret = status_of(&error);
                log(
                    Level::Error,
                    &format!("control GET_NODEMAP failed to node {own}, ret={ret}"),
                );
                return TakeoverError(ret);
            }
            failed("GET_NODEMAP")(error)
        })?;
        let connected = without(&node_map, NodeFlags::DISCONNECTED);
        let active = without(&node_map, NodeFlags::INACTIVE);
        if connected.is_empty() || active.is_empty() {
            return Err(TakeoverError(ENOMEM));
        }
        Ok(Self {
            client,
            around,
            own,
            deadline: Instant::now() + STAGES_TIMES * limit,
            tunables,
            nodes: node_map.nodes.len(),
            connected,
            active,
            culprits: RefCell::new(Culprits::default()),
        })
    }

    fn note(&self, level: Level, text: &str) {
        (self.around.log)(level, text);
    }

    /// The run proper.
    async fn redistribute(&mut self, orders: &Orders) -> Result<(), TakeoverError> {
        let situation = self.look_around(orders).await?;
        if !situation.can_host_ips() {
            self.note(Level::Notice, "No nodes available to host public IPs yet");
            return self.conclude().await;
        }
        let plan = situation
            .allocate(&mut Lines(self.around))
            .unwrap_or_default();
        // The time for deciding does not count.
        self.deadline = Instant::now() + STAGES_TIMES * self.tunables.takeover_timeout();
        self.announce_start().await?;
        self.release(&plan).await?;
        self.take(&plan).await?;
        self.conclude().await
    }

    async fn look_around(&self, orders: &Orders) -> Result<Situation, TakeoverError> {
        let known = self
            .public_ips(&self.connected, ControlFlags::empty())
            .await;
        let known = known.inspect_err(|_| {
            self.note(Level::Error, "Failed to fetch known public IPs");
        })?;
        let knows_any = |node: &Pnn| {
            let ips = usize::try_from(node.0).ok().and_then(|at| known.get(at));
            ips.is_some_and(|ips| !ips.is_empty())
        };
        let hosts: Vec<Pnn> = self.active.iter().copied().filter(knows_any).collect();
        let available = self.public_ips(&hosts, ControlFlags::ONLY_AVAILABLE).await;
        let available = available.inspect_err(|_| {
            self.note(Level::Error, "Failed to fetch available public IPs");
        })?;
        let mut situation =
            Situation::gathered(&self.tunables, self.home_nodes(), &known, &available);
        situation.force_rebalance = orders.rebalance.iter().map(|pnn| pnn.0).collect();
        Ok(situation)
    }

    fn home_nodes(&self) -> Vec<HomeNode> {
        match Algorithm::from_tunable(self.tunables.ip_alloc_algorithm()) {
            Algorithm::Deterministic => (self.around.home_nodes)().unwrap_or_else(|problem| {
                self.note(Level::Warning, &problem);
                Vec::new()
            }),
            Algorithm::NonDeterministic | Algorithm::Lcp2 => Vec::new(),
        }
    }

    /// Public addresses as these nodes list them, indexed by node number.
    async fn public_ips(
        &self,
        nodes: &[Pnn],
        flags: ControlFlags,
    ) -> Result<Vec<Vec<PublicIp>>, TakeoverError> {
        let limit = self.tunables.takeover_timeout();
        let ask = |node: Pnn| async move {
            let request = self.client.request::<GetPublicIps>(node, &()).flags(flags);
            (node, request.timeout(limit).send().await)
        };
        let answers = join_all(nodes.iter().map(|node| ask(*node))).await;
        let mut lists = vec![Vec::new(); self.nodes];
        let mut failure = None;
        for (node, answer) in answers {
            match answer {
                Ok(list) => {
                    if failure.is_none() {
                        self.note(Level::Info, &format!("Fetched public IPs from node {node}"));
                    }
                    if let Some(slot) = usize::try_from(node.0)
                        .ok()
                        .and_then(|at| lists.get_mut(at))
                    {
                        *slot = list.ips;
                    }
                }
                // Of several failures only the first counts against its node: one broken network
                // must not look like many broken nodes.
                Err(error) if failure.is_none() => {
                    let ret = status_of(&error);
                    let text = format!("control GET_PUBLIC_IPS failed on node {node}, ret={ret}");
                    self.note(Level::Error, &text);
                    self.culprits.borrow_mut().count(node);
                    failure = Some(ret);
                }
                Err(_) => {}
            }
        }
        failure.map_or(Ok(lists), |ret| Err(TakeoverError(ret)))
    }

    async fn announce_start(&self) -> Result<(), TakeoverError> {
        // A node older than this control refuses it and needs no such warning. Upstream's leader
        // fails the run then, again and again, and bans the node.
        let tolerated = |node: Pnn, status: i32| {
            let old = status == -1;
            if old {
                self.note(
                    Level::Info,
                    &format!("START_IPREALLOCATE not known to node {node}"),
                );
            }
            old
        };
        self.everywhere::<StartIpreallocate>(&self.connected, &(), &tolerated)
            .await
            .map_err(|failure| self.stage_failed("START_IPREALLOCATE", failure))?;
        let count = self.connected.len();
        self.note(
            Level::Info,
            &format!("START_IPREALLOCATE succeeded on {count} nodes"),
        );
        Ok(())
    }

    /// Tells every node that the addresses are where they are to be.
    async fn conclude(&self) -> Result<(), TakeoverError> {
        self.everywhere::<Ipreallocated>(&self.connected, &(), &|_, _| false)
            .await
            .map_err(|failure| self.stage_failed("IPREALLOCATED", failure))?;
        let count = self.connected.len();
        self.note(
            Level::Info,
            &format!("IPREALLOCATED succeeded on {count} nodes"),
        );
        Ok(())
    }

    fn stage_failed(&self, what: &str, failure: stage::FirstFailure) -> TakeoverError {
        self.note(Level::Error, &describe(what, &failure));
        self.culprits.borrow_mut().count(failure.node);
        TakeoverError(failure.status)
    }

    /// Has the node with the most failures counted as an offender. A node that has left meanwhile did not fail:
    /// it must not be banned for that when it is back.
    async fn report_worst(&self) {
        let suspects = self.culprits.borrow().worst_first(1);
        if suspects.is_empty() || !self.tunables.enable_bans() {
            return;
        }
        let node_map = self.client.request::<GetNodeMap>(self.own, &());
        let gone: Vec<Pnn> = match node_map.timeout(FLUSH_LIMIT).send().await {
            Ok(node_map) => {
                let there = without(&node_map, NodeFlags::DISCONNECTED);
                let connected = self.connected.iter().copied();
                connected.filter(|node| !there.contains(node)).collect()
            }
            Err(_) => Vec::new(),
        };
        let Some(node) = suspects.into_iter().find(|node| !gone.contains(node)) else {
            return;
        };
        self.note(
            Level::Warning,
            &format!("Assigning banning credits to node {node}"),
        );
        self.client.send_to::<Banning>(self.own, &node);
        // A message has no answer, and a helper ends right after it: the answer to anything sent
        // later shows that the daemon has it.
        let _ = self
            .client
            .request::<Ping>(self.own, &())
            .timeout(FLUSH_LIMIT)
            .status()
            .await;
    }
}

/// The allocation's lines, into the log of the run.
struct Lines<'a>(&'a Surroundings<'a>);

impl Journal for Lines<'_> {
    fn wants(&self, level: Level) -> bool {
        (self.0.wants)(level)
    }

    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        (self.0.log)(level, &text.to_string());
    }
}

fn without(node_map: &NodeMap, excluded: NodeFlags) -> Vec<Pnn> {
    let nodes = node_map.nodes.iter();
    nodes
        .filter(|node| !node.flags.intersects(excluded))
        .map(|node| node.pnn)
        .collect()
}

#[cfg(test)]
mod tests;
