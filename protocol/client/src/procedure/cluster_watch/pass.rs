//! One pass over the cluster: find the first thing that is wrong and mend it.
//! Upstream: `main_loop` of `ctdb_recoverd.c`.

use std::time::Duration;

use ctdb_protocol::control::{
    Freeze, GetCapabilities, GetNodeMap, GetRecmode, GetVnnMap, RecdPing, SetBanState, SetRecmode,
};
use ctdb_protocol::types::{BanState, Capabilities, NodeMap, RecoveryMode, VnnMap};
use ctdb_protocol::{Pnn, Srvid};
use futures_util::future::join_all;
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until};

use super::Watch;
use super::view::{View, others};
use crate::ControlError;
use crate::procedure::ask::{Refused, ask, ask_each};
use crate::procedure::environment::{Environment, Level};

/// Shortest pause between two passes, whatever happens.
const BREATH: Duration = Duration::from_millis(20);
/// So many passes may follow each other after that; if more are wanted, the pauses grow.
const BREATHLESS: u32 = 10;
/// Pause between passes before the tunables are known.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// Why a pass ended before its last step. The next one tries again.
#[derive(Debug, Error)]
pub(super) enum EndOfPass {
    /// A node did not do what was asked.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The own daemon did not.
    #[error(transparent)]
    Local(#[from] ControlError),
    /// Nothing is left to do, or somebody else has to do it.
    #[error("nothing to do")]
    Done,
}

/// Why a recovery is needed, and whose fault it is, if anybody's.
struct Cause {
    text: String,
    culprit: Option<Pnn>,
}

impl Cause {
    fn of(culprit: Pnn, text: String) -> Self {
        Self {
            text,
            culprit: Some(culprit),
        }
    }
}

impl<E: Environment> Watch<E> {
    /// Passes at RecoverInterval, or sooner when something happens.
    pub(super) async fn pass_again_and_again(&self) {
        // Passes in a row that did not wait for their time.
        let mut hurried = 0;
        loop {
            let began = Instant::now();
            match self.pass().await {
                Ok(()) | Err(EndOfPass::Done) => {}
                Err(error) => self.log(Level::Warning, &format!("Pass over the cluster: {error}")),
            }
            let interval = self
                .view
                .borrow()
                .as_ref()
                .map_or(FIRST_INTERVAL, |view| view.tunables.recover_interval());
            sleep(breath(hurried).min(interval.max(BREATH))).await;
            tokio::select! {
                biased;
                () = sleep_until(began + interval) => hurried = 0,
                () = self.wake.notified() => hurried += 1,
            }
        }
    }

    async fn pass(&self) -> Result<(), EndOfPass> {
        self.client
            .request::<RecdPing>(Pnn::CURRENT, &())
            .no_reply()
            .send();
        let view = self.refresh().await?;
        if self.election.borrow().electing() {
            return Ok(());
        }
        self.ban_due(&view).await?;
        let mode = self.recovery_mode(&view).await?;
        self.rest_while_inactive(&view, mode).await?;
        self.start_cold(&view).await;
        let limit = view.tunables.recover_timeout();
        let capabilities =
            ask_each::<GetCapabilities>(&self.client, &view.active(), &(), limit).await?;
        self.state.borrow_mut().capabilities = capabilities;
        if mode == RecoveryMode::NORMAL {
            self.check_addresses(&view).await?;
        }
        self.still_leading()?;
        self.lead(&view).await
    }

    /// Ends the pass where this node leads no longer.
    fn still_leading(&self) -> Result<(), EndOfPass> {
        if self.leads() {
            Ok(())
        } else {
            Err(EndOfPass::Done)
        }
    }

    /// Bans the nodes that failed too often.
    pub(super) async fn ban_due(&self, view: &View) -> Result<(), EndOfPass> {
        let due = self
            .state
            .borrow_mut()
            .credits
            .take_due(view.size().saturating_mul(2).max(1));
        for (node, reason) in &due {
            self.ban(view, *node, reason).await?;
        }
        if due.iter().any(|(node, _)| *node == self.own) {
            Err(EndOfPass::Done)
        } else {
            Ok(())
        }
    }

    /// Bans a node for RecoveryBanPeriod, and tells it why.
    pub(super) async fn ban(&self, view: &View, node: Pnn, reason: &str) -> Result<(), EndOfPass> {
        let ban = BanState {
            pnn: node,
            time_s: view.tunables.recovery_ban_period(),
        };
        self.log(
            Level::Notice,
            &format!("Banning node {node} for {} seconds: {reason}", ban.time_s),
        );
        self.client
            .send_message(node, Srvid::BAN_REASON, reason.to_owned());
        let limit = view.tunables.recover_timeout();
        ask_each::<SetBanState>(&self.client, &[node], &ban, limit).await?;
        Ok(())
    }

    async fn recovery_mode(&self, view: &View) -> Result<RecoveryMode, EndOfPass> {
        mode_of(&self.client, self.own, view.tunables.recover_timeout())
            .await
            .map_err(Into::into)
    }

    /// An inactive node stays in recovery with frozen databases, and does nothing else.
    async fn rest_while_inactive(&self, view: &View, mode: RecoveryMode) -> Result<(), EndOfPass> {
        if !view.own_flags().is_inactive() {
            return Ok(());
        }
        let limit = view.tunables.recover_timeout();
        if mode == RecoveryMode::NORMAL {
            ask::<SetRecmode>(&self.client, Pnn::CURRENT, &RecoveryMode::ACTIVE, limit).await?;
        }
        // Each time, unlike upstream: a recovery that was under way when the node became inactive may
        // have thawed the databases again, and a ban ends only once they are frozen.
        ask::<Freeze>(&self.client, Pnn::CURRENT, &(), limit).await?;
        Err(EndOfPass::Done)
    }

    /// The leader's part.
    async fn lead(&self, view: &View) -> Result<(), EndOfPass> {
        let connected = others(&view.connected(), self.own);
        let maps = self.maps_of(view, &connected).await?;
        self.still_leading()?;
        if self.repair_flags(view, &maps).await? {
            // What follows needs the flags as they are now.
            self.wake.notify_one();
            return Ok(());
        }
        if let Some(cause) = self.find_cause(view, &maps).await? {
            self.still_leading()?;
            if !self.recovery_due(view) {
                return Ok(());
            }
            if let Some(culprit) = cause.culprit {
                self.credit(view, culprit, 1, &cause.text);
            }
            self.log(Level::Notice, &format!("Recovery needed: {}", cause.text));
            return self.recover(view).await;
        }
        self.serve_takeover_requests(view).await
    }

    /// The maps of the other connected nodes. Who does not give its own is at fault.
    async fn maps_of(&self, view: &View, nodes: &[Pnn]) -> Result<Vec<(Pnn, NodeMap)>, EndOfPass> {
        let limit = view.tunables.recover_timeout();
        match ask_each::<GetNodeMap>(&self.client, nodes, &(), limit).await {
            Ok(mut maps) => {
                maps.push((self.own, view.nodes.clone()));
                Ok(maps)
            }
            Err(refused) => {
                self.credit(view, refused.node, 1, &refused.to_string());
                Err(refused.into())
            }
        }
    }

    /// Looks for a reason to recover, in upstream's order.
    async fn find_cause(
        &self,
        view: &View,
        maps: &[(Pnn, NodeMap)],
    ) -> Result<Option<Cause>, EndOfPass> {
        let limit = view.tunables.recover_timeout();
        let own_map = ask::<GetVnnMap>(&self.client, Pnn::CURRENT, &(), limit).await?;
        if self.need_recovery.get() {
            return Ok(Some(Cause {
                text: "the last one did not succeed".into(),
                culprit: None,
            }));
        }
        if let Some(node) = self.find_in_recovery(view).await? {
            let text = format!("node {node} is in recovery mode");
            return Ok(Some(Cause {
                text,
                culprit: None,
            }));
        }
        if self.configuration.cluster_lock && !self.election.borrow().holds_lock() {
            return Ok(Some(Cause::of(
                self.own,
                "the cluster lock is not held".into(),
            )));
        }
        let active = view.active();
        if !self.may_recover(&active) {
            return Ok(None);
        }
        if let Some(cause) = differing_lists(view, &active, maps) {
            return Ok(Some(cause));
        }
        if let Some(cause) = self.wrong_map(&active, &own_map) {
            return Ok(Some(cause));
        }
        let theirs = others(&active, self.own);
        let maps = ask_each::<GetVnnMap>(&self.client, &theirs, &(), limit).await?;
        let stray = maps.into_iter().find(|(_, map)| *map != own_map);
        Ok(stray.map(|(node, _)| Cause::of(node, format!("node {node} has another vnnmap"))))
    }

    /// Whether recoveries are allowed now; soon after one, only for other nodes than it was for.
    fn may_recover(&self, active: &[Pnn]) -> bool {
        let now = Instant::now();
        let state = self.state.borrow();
        let settled = state
            .recovered
            .as_ref()
            .is_some_and(|(nodes, until)| nodes.as_slice() == active && now < *until);
        !settled && !state.recoveries.is_disabled(now)
    }

    /// The first active node in recovery mode. A node that does not answer ends the pass.
    async fn find_in_recovery(&self, view: &View) -> Result<Option<Pnn>, EndOfPass> {
        let limit = view.tunables.recover_timeout();
        let active = view.active();
        let asked = active
            .iter()
            .map(async |node| (*node, mode_of(&self.client, *node, limit).await));
        let mut found = None;
        for (node, mode) in join_all(asked).await {
            let mode = mode.map_err(|error| Refused {
                control: "GET_RECMODE",
                node,
                error,
            })?;
            if mode != RecoveryMode::NORMAL {
                found = found.or(Some(node));
            }
        }
        Ok(found)
    }

    /// Whether the map names exactly the nodes that it should.
    fn wrong_map(&self, active: &[Pnn], map: &VnnMap) -> Option<Cause> {
        let state = self.state.borrow();
        let mut expected = state
            .capabilities
            .iter()
            .filter(|(node, can)| active.contains(node) && can.contains(Capabilities::LMASTER))
            .map(|(node, _)| *node)
            .collect::<Vec<Pnn>>();
        if expected.is_empty() {
            expected.push(self.own);
        }
        if expected.len() != map.nodes.len() {
            let text = format!(
                "{} nodes in the vnnmap, {} expected",
                map.nodes.len(),
                expected.len()
            );
            return Some(Cause::of(self.own, text));
        }
        let missing = expected.iter().find(|node| !map.nodes.contains(node))?;
        Some(Cause::of(
            *missing,
            format!("active node {missing} is not in the vnnmap"),
        ))
    }
}

/// The pause after a pass, when so many before it did not wait for their time.
fn breath(hurried: u32) -> Duration {
    BREATH * (1 << hurried.saturating_sub(BREATHLESS).min(10))
}

async fn mode_of(
    client: &crate::Client,
    node: Pnn,
    limit: Duration,
) -> Result<RecoveryMode, ControlError> {
    let (status, _) = client
        .request::<GetRecmode>(node, &())
        .timeout(limit)
        .status()
        .await?;
    match u32::try_from(status) {
        Ok(mode) => Ok(RecoveryMode(mode)),
        Err(_) => Err(ControlError {
            control: "GET_RECMODE",
            dest: node,
            failure: crate::Failure::Status {
                status,
                message: String::new(),
            },
        }),
    }
}

/// Whether an active node has another list of nodes than the leader.
fn differing_lists(view: &View, active: &[Pnn], maps: &[(Pnn, NodeMap)]) -> Option<Cause> {
    let numbers = |map: &NodeMap| map.nodes.iter().map(|node| node.pnn).collect::<Vec<Pnn>>();
    let ours = numbers(&view.nodes);
    let differs = |(node, map): &&(Pnn, NodeMap)| active.contains(node) && numbers(map) != ours;
    let (node, map) = maps.iter().find(differs)?;
    let text = format!(
        "node {node} knows {} nodes, this one {}",
        map.nodes.len(),
        ours.len()
    );
    Some(Cause::of(*node, text))
}
