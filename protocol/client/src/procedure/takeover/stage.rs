// SPDX-License-Identifier: GPL-3.0-or-later
//! The controls of a run: one to many nodes at once, and the two stages that move addresses.

use std::cell::Cell;

use ctdb_protocol::control::{Control, ReleaseIp, TakeoverIp};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::PublicIp;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::allocation::Placement;
use super::{Level, Run, TakeoverError};
use crate::{ControlError, Failure};

const EIO: i32 = 5;
const EPROTO: i32 = 71;
const ETIMEDOUT: i32 = 110;

/// The first node of several to fail, with its status or `errno`. Later failures are not looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstFailure {
    pub(super) node: Pnn,
    pub(super) status: i32,
}

/// The number that upstream's programs report for a failed control.
pub(super) fn status_of(error: &ControlError) -> i32 {
    match error.failure {
        Failure::Status { status, .. } => status,
        Failure::TimedOut => ETIMEDOUT,
        Failure::Closed => EIO,
        Failure::Malformed(_) => EPROTO,
    }
}

pub(super) fn describe(what: &str, failure: &FirstFailure) -> String {
    format!(
        "{what} failed on node {}, ret={}",
        failure.node, failure.status
    )
}

impl Run<'_> {
    /// Sends a control to all `nodes` and waits for all of them, or for the deadline of the run.
    /// `tolerated` may declare a status harmless.
    pub(super) async fn everywhere<C: Control>(
        &self,
        nodes: &[Pnn],
        request: &C::Request,
        tolerated: &dyn Fn(Pnn, i32) -> bool,
    ) -> Result<(), FirstFailure> {
        let first: Cell<Option<FirstFailure>> = Cell::new(None);
        let ask = |node: Pnn| {
            let first = &first;
            async move {
                if let Err(error) = self.before_deadline::<C>(node, request).await {
                    let status = status_of(&error);
                    if first.get().is_none() && !tolerated(node, status) {
                        first.set(Some(FirstFailure { node, status }));
                    }
                }
            }
        };
        join_all(nodes.iter().map(|node| ask(*node))).await;
        first.get().map_or(Ok(()), Err)
    }

    async fn before_deadline<C: Control>(
        &self,
        node: Pnn,
        request: &C::Request,
    ) -> Result<C::Reply, ControlError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.client
            .request::<C>(node, request)
            .timeout(left)
            .send()
            .await
    }

    /// Has every node but the new owner let go of each address. Most of them do not have it: they
    /// learn where it is to be.
    pub(super) async fn release(&self, plan: &[Placement]) -> Result<(), TakeoverError> {
        let last_error = Cell::new(None);
        let release = |placement| {
            let last_error = &last_error;
            async move {
                if let Err(failure) = self.release_one(placement).await {
                    last_error.set(Some(failure.status));
                }
            }
        };
        join_all(plan.iter().map(release)).await;
        last_error
            .get()
            .map_or(Ok(()), |status| Err(TakeoverError(status)))
    }

    async fn release_one(&self, placement: &Placement) -> Result<(), FirstFailure> {
        let owner = placement.node();
        let addr = placement.addr;
        let knows = |node: &Pnn| {
            let at = usize::try_from(node.0).ok();
            let known = at.and_then(|at| placement.known_on.get(at));
            known.copied().unwrap_or(false) && owner != Some(*node)
        };
        let nodes: Vec<Pnn> = self.connected.iter().copied().filter(knows).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let request = PublicIp {
            pnn: owner.unwrap_or(Pnn::UNKNOWN),
            addr: addr.into(),
        };
        let outcome = self
            .everywhere::<ReleaseIp>(&nodes, &request, &|_, _| false)
            .await;
        match &outcome {
            Ok(()) => {
                let count = nodes.len();
                self.note(
                    Level::Info,
                    &format!("RELEASE_IP {addr} succeeded on {count} nodes"),
                );
            }
            Err(failure) => {
                self.note(
                    Level::Error,
                    &describe(&format!("RELEASE_IP {addr}"), failure),
                );
                self.culprits.borrow_mut().count(failure.node);
            }
        }
        outcome
    }

    /// Has the owner of each address take it, also if it has it: that repairs what went wrong before.
    pub(super) async fn take(&self, plan: &[Placement]) -> Result<(), TakeoverError> {
        let last_error = Cell::new(None);
        let owned = plan.iter().filter_map(|placement| {
            placement.node().map(|pnn| PublicIp {
                pnn,
                addr: placement.addr.into(),
            })
        });
        let take = |ip: PublicIp| {
            let last_error = &last_error;
            async move {
                if let Err(status) = self.take_one(ip).await {
                    last_error.set(Some(status));
                }
            }
        };
        join_all(owned.map(take)).await;
        last_error
            .get()
            .map_or(Ok(()), |status| Err(TakeoverError(status)))
    }

    async fn take_one(&self, ip: PublicIp) -> Result<(), i32> {
        let PublicIp { pnn, addr } = ip;
        let outcome = self.before_deadline::<TakeoverIp>(pnn, &ip).await;
        let Err(error) = outcome else {
            self.note(
                Level::Info,
                &format!("TAKEOVER_IP {addr} succeeded on node {pnn}"),
            );
            return Ok(());
        };
        let status = status_of(&error);
        // "to" where nothing came back, "on" where the node said no: upstream's words.
        let to = if error.status().is_some() { "on" } else { "to" };
        let text = format!("TAKEOVER_IP {addr} failed {to} node {pnn}, ret={status}");
        self.note(Level::Error, &text);
        self.culprits.borrow_mut().count(pnn);
        Err(status)
    }
}
