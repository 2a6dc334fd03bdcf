//! When the leader distributes the public addresses anew.

use std::time::Duration;

use ctdb_protocol::message::DisableTakeoverRuns;
use ctdb_protocol::types::{DisableMessage, SrvidMessage};
use ctdb_protocol::{Pnn, Srvid};
use tokio::time::Instant;

use super::Watch;
use super::pass::EndOfPass;
use super::view::{View, others};
use crate::procedure::environment::{Environment, Level};

/// How long the others leave the addresses alone if this node dies during a run.
const QUIET: Duration = Duration::from_secs(60);

impl<E: Environment> Watch<E> {
    /// Runs when somebody asked for it or the last run failed, and answers who asked.
    pub(super) async fn serve_takeover_requests(&self, view: &View) -> Result<(), EndOfPass> {
        let requests = {
            let mut state = self.state.borrow_mut();
            let wanted = state.need_takeover || !state.requests.is_empty();
            if !wanted || state.takeovers.is_disabled(Instant::now()) {
                return Ok(());
            }
            std::mem::take(&mut state.requests)
        };
        let done = self.take_over(view).await;
        let status = if done {
            i32::try_from(self.own.0).unwrap_or(-1)
        } else {
            -1
        };
        for SrvidMessage { pnn, srvid, .. } in requests {
            self.answer(pnn, srvid, status);
        }
        Ok(())
    }

    /// One takeover run; one that fails is remembered and done again.
    pub(super) async fn take_over(&self, view: &View) -> bool {
        let rebalance = {
            let mut state = self.state.borrow_mut();
            state.need_takeover = true;
            if !state.takeovers.begin(Instant::now()) {
                return false;
            }
            state.rebalance.clone()
        };
        let quiet = others(&view.connected(), self.own);
        self.keep_quiet(&quiet, QUIET);
        let deposed = self.deposed.notified();
        let outcome = tokio::select! {
            biased;
            outcome = self.environment.run_takeover(&self.client, &rebalance) => outcome,
            () = deposed => Err("this node leads no longer".to_owned()),
        };
        self.keep_quiet(&quiet, Duration::ZERO);
        let mut state = self.state.borrow_mut();
        state.takeovers.end();
        state.need_takeover = outcome.is_err();
        if outcome.is_ok() && state.rebalance == rebalance {
            state.rebalance.clear();
        }
        drop(state);
        if let Err(error) = &outcome {
            self.log(Level::Error, &format!("Takeover run failed: {error}"));
        }
        outcome.is_ok()
    }

    fn keep_quiet(&self, nodes: &[Pnn], time: Duration) {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let message = DisableMessage::new(Pnn::UNKNOWN, Srvid(0), seconds);
        for node in nodes {
            self.client.send_to::<DisableTakeoverRuns>(*node, &message);
        }
    }
}
