//! When the leader distributes the public addresses anew.

use std::time::Duration;

use ctdb_protocol::message::{DisableTakeoverRuns, TakeoverRun};
use ctdb_protocol::types::{DisableMessage, SrvidMessage};
use ctdb_protocol::{Pnn, Srvid};
use tokio::time::Instant;

use super::Watch;
use super::pass::EndOfPass;
use super::view::{View, others};
use crate::Client;
use crate::procedure::environment::{Environment, Level};

/// How long the others leave the addresses alone if this node dies during a run.
const QUIET: Duration = Duration::from_secs(60);

impl<E: Environment> Watch<E> {
    /// Runs when somebody asked for it or the last run failed, and answers who asked.
    pub(super) async fn serve_takeover_requests(&self, view: &View) -> Result<(), EndOfPass> {
        let requests = {
            let mut state = self.state.borrow_mut();
            let now = Instant::now();
            // Who waits for an answer is served at once, whatever has failed before.
            let somebody_waits = state.requests.iter().any(|ask| ask.srvid != Srvid(0));
            let wanted = state.need_takeover || !state.requests.is_empty();
            let paused = !somebody_waits && !state.failed_takeovers.allow(&(), now);
            if !wanted || paused || state.takeovers.is_disabled(now) {
                return Ok(());
            }
            std::mem::take(&mut state.requests)
        };
        let done = self.take_over(view).await;
        if !done && !self.leads() {
            self.state.borrow_mut().unserved.extend(requests);
            self.pass_requests_on();
            return Ok(());
        }
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

    /// Gives the requests that this node cannot serve any more to the leader, as soon as there is one.
    /// `ctdb stop` on the leader is such a case: its request comes when the leader is about to go.
    /// Upstream's leader keeps them, and who waits asks again after its time-out.
    pub(super) fn pass_requests_on(&self) {
        let leader = {
            let rules = self.election.borrow();
            // An election's leader of the moment may be another one a moment later.
            if rules.electing() || rules.leader() == Pnn::UNKNOWN {
                return;
            }
            rules.leader()
        };
        let unserved = std::mem::take(&mut self.state.borrow_mut().unserved);
        if leader == self.own {
            self.state.borrow_mut().requests.extend(unserved);
            return;
        }
        for request in unserved {
            self.client.send_to::<TakeoverRun>(leader, &request);
        }
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
        let quiet = Quiet::begin(&self.client, others(&view.connected(), self.own));
        let deposed = self.deposed.notified();
        let outcome = tokio::select! {
            biased;
            outcome = self.environment.run_takeover(&self.client, &rebalance) => outcome,
            () = deposed => Err("this node leads no longer".to_owned()),
        };
        drop(quiet);
        let mut state = self.state.borrow_mut();
        let granted = state.takeovers.end(Instant::now());
        state.need_takeover = outcome.is_err();
        if outcome.is_ok() && state.rebalance == rebalance {
            state.rebalance.clear();
        }
        let pause = match outcome {
            Ok(()) => {
                state.failed_takeovers.clear();
                Duration::ZERO
            }
            Err(_) => state.failed_takeovers.attempt((), Instant::now()).1,
        };
        drop(state);
        self.granted(&granted);
        if let Err(error) = &outcome {
            self.log(
                Level::Error,
                &format!("Takeover run failed: {error}; tried again after {pause:?}"),
            );
        }
        outcome.is_ok()
    }
}

/// Keeps takeover runs away on other nodes until it is dropped: also when the run is given up half
/// way because this node shuts down. The next leader's runs would otherwise wait for [`QUIET`].
struct Quiet<'a> {
    client: &'a Client,
    nodes: Vec<Pnn>,
}

impl<'a> Quiet<'a> {
    fn begin(client: &'a Client, nodes: Vec<Pnn>) -> Quiet<'a> {
        let quiet = Quiet { client, nodes };
        quiet.tell(QUIET);
        quiet
    }

    fn tell(&self, time: Duration) {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let message = DisableMessage::new(Pnn::UNKNOWN, Srvid(0), seconds);
        for node in &self.nodes {
            self.client.send_to::<DisableTakeoverRuns>(*node, &message);
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        self.tell(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap, SockAddr, TunableList};
    use ctdb_protocol::{Generation, Packet, all};
    use tokio::sync::mpsc;

    use super::*;
    use crate::procedure::environment::{Configuration, LockAttempt};
    use crate::procedure::tunables::Tunables;
    use ctdb_protocol::LockAnswer;

    /// Surroundings in which a takeover run never ends.
    struct Stuck;

    impl Environment for Stuck {
        fn configuration(&self) -> Configuration {
            Configuration {
                leader_timeout: Duration::from_secs(5),
                cluster_lock: false,
                fast_start: true,
                test_mode: true,
                failover_disabled: false,
            }
        }
        fn random(&self) -> u32 {
            1
        }
        fn wall_clock(&self) -> (i64, i64) {
            (1, 0)
        }
        fn addresses(&self) -> BTreeSet<IpAddr> {
            BTreeSet::new()
        }
        fn log(&self, _: Level, _: &str) {}
        async fn try_lock(&self) -> LockAttempt {
            LockAttempt {
                answer: LockAnswer::Failed,
                latency_s: 0.0,
            }
        }
        async fn lock_lost(&self) {
            std::future::pending().await
        }
        async fn release_lock(&self) {}
        async fn run_takeover(&self, _: &Client, _: &[Pnn]) -> Result<(), String> {
            std::future::pending().await
        }
        async fn run_recovery(&self, _: &Client, _: Generation) -> Result<(), String> {
            Ok(())
        }
        async fn stopped(&self) {
            std::future::pending().await
        }
    }

    fn view() -> View {
        let node = |pnn| NodeAndFlags {
            pnn: Pnn(pnn),
            flags: NodeFlags::empty(),
            addr: SockAddr::UNSPECIFIED,
        };
        View {
            own: Pnn(0),
            nodes: NodeMap {
                nodes: (0..3).map(node).collect(),
            },
            tunables: Tunables::from(TunableList([0; TunableList::COUNT])),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_given_up_lets_the_others_run() {
        let (to_daemon, mut from_client) = mpsc::unbounded_channel();
        let (_to_client, from_daemon) = mpsc::unbounded_channel();
        let client = Client::over(to_daemon, from_daemon);
        let (effects, _queue) = mpsc::unbounded_channel();
        let watch = Watch::new(client, Stuck, Pnn(0), effects);
        let ended = tokio::time::timeout(Duration::from_secs(1), watch.take_over(&view())).await;
        assert!(ended.is_err(), "the run is stuck");
        drop(watch);
        let mut heard = Vec::new();
        while let Ok(packet) = from_client.try_recv() {
            let (header, packet) = Packet::decode(packet).expect("good packets");
            if let Packet::ReqMessage(message) = packet {
                let ask: DisableMessage = all(&message.data).expect("its payload");
                heard.push((header.destnode.0, ask.timeout_s));
            }
        }
        assert_eq!(heard, [(1, 60), (2, 60), (1, 0), (2, 0)]);
    }
}
