//! When the leader recovers the cluster, and what comes before and after.
//! Upstream: `do_recovery` of `ctdb_recoverd.c`.

use ctdb_protocol::control::{GetCapabilities, ModifyFlags};
use ctdb_protocol::message::Reconfigure;
use ctdb_protocol::types::NodeFlagChange;
use ctdb_protocol::{Generation, Pnn};
use tokio::time::Instant;

use super::Watch;
use super::pass::EndOfPass;
use super::view::View;
use crate::procedure::ask::{ask_all, ask_each};
use crate::procedure::environment::{Environment, Level};

impl<E: Environment> Watch<E> {
    /// Recovers the cluster, unless somebody has forbidden it.
    pub(super) async fn recover(&self, view: &View) -> Result<(), EndOfPass> {
        self.need_recovery.set(true);
        if !self.state.borrow_mut().recoveries.begin(Instant::now()) {
            self.log(Level::Notice, "Recoveries are disabled");
            return Ok(());
        }
        let done = self.recover_now(view).await;
        let granted = self.state.borrow_mut().recoveries.end(Instant::now());
        self.granted(&granted);
        let mut state = self.state.borrow_mut();
        if self.need_recovery.get() {
            let (attempts, pause) = state
                .failed_recoveries
                .attempt(view.active(), Instant::now());
            drop(state);
            self.log(
                Level::Warning,
                &format!(
                    "Recovery attempt {attempts} of these nodes did not succeed, \
                     the next comes after {pause:?}"
                ),
            );
        } else {
            state.failed_recoveries.clear();
        }
        done
    }

    /// Whether a recovery may begin now: what failed for the same nodes is left alone for a while.
    pub(super) fn recovery_due(&self, view: &View) -> bool {
        let state = self.state.borrow();
        state
            .failed_recoveries
            .allow(&view.active(), Instant::now())
    }

    async fn recover_now(&self, view: &View) -> Result<(), EndOfPass> {
        if !self.leads() {
            return Err(EndOfPass::Done);
        }
        self.ban_due(view).await?;
        if self.configuration.cluster_lock && !self.election.borrow().holds_lock() {
            let reason = "Recovery without the cluster lock: banning the own node";
            self.log(Level::Error, reason);
            return self.ban(view, self.own, reason).await;
        }
        self.push_all_flags(view).await?;
        if !self.recover_databases().await {
            return Ok(());
        }
        self.take_over(view).await;
        self.client
            .send_to::<Reconfigure>(Pnn::BROADCAST_CONNECTED, &());
        self.need_recovery.set(false);
        let until = Instant::now() + view.tunables.rerecovery_timeout();
        let mut state = self.state.borrow_mut();
        state.credits.clear();
        state.recovered = Some((view.active(), until));
        drop(state);
        self.log(Level::Notice, "Recovery complete");
        Ok(())
    }

    /// Everyone is to see every node as the leader does.
    async fn push_all_flags(&self, view: &View) -> Result<(), EndOfPass> {
        let limit = view.tunables.recover_timeout();
        let capabilities =
            ask_each::<GetCapabilities>(&self.client, &view.active(), &(), limit).await?;
        self.state.borrow_mut().capabilities = capabilities;
        let connected = view.connected();
        for node in view
            .nodes
            .nodes
            .iter()
            .filter(|node| connected.contains(&node.pnn))
        {
            let change = NodeFlagChange {
                pnn: node.pnn,
                new_flags: node.flags,
                old_flags: node.flags,
            };
            if node.flags.is_inactive() {
                ask_all::<ModifyFlags>(&self.client, &connected, &change, limit).await;
            } else {
                ask_each::<ModifyFlags>(&self.client, &connected, &change, limit).await?;
            }
        }
        Ok(())
    }

    async fn recover_databases(&self) -> bool {
        let generation = self.new_generation();
        let began = Instant::now();
        let deposed = self.deposed.notified();
        let outcome = tokio::select! {
            biased;
            outcome = self.environment.run_recovery(&self.client, generation) => outcome,
            () = deposed => Err("this node leads no longer".to_owned()),
        };
        match outcome {
            Ok(()) => {
                let took = began.elapsed();
                self.log(
                    Level::Notice,
                    &format!("Databases recovered, generation {generation}, in {took:?}"),
                );
                true
            }
            Err(error) => {
                self.log(Level::Error, &format!("Recovery failed: {error}"));
                false
            }
        }
    }

    /// A random number of 31 bits that is not the invalid one.
    fn new_generation(&self) -> Generation {
        loop {
            let generation = Generation(self.environment.random() & 0x7fff_ffff);
            if generation != Generation::INVALID && generation.0 != 0 {
                return generation;
            }
        }
    }
}
