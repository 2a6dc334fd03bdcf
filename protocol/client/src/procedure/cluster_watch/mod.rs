//! The cluster watch: what upstream's recovery daemon does, as one procedure beside a daemon.
//!
//! [`run`] keeps four things going at once: the message ports ([`requests`]), the clock and the
//! effects of [`super::election`] ([`election`]), and the passes over the cluster ([`pass`]) that find
//! out what is wrong and mend it: node flags ([`flags`]), databases ([`recover`]), public addresses
//! ([`addresses`], [`takeover`]), and nodes that keep failing ([`ban_credits`]).

mod addresses;
mod ban_credits;
mod election;
mod flags;
mod operation;
mod pass;
mod recover;
mod requests;
mod retry;
mod takeover;
mod view;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::types::{Capabilities, IfaceList, SrvidMessage};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::election::{Effect, Election, Input, Settings};
use super::environment::{Configuration, Environment, Level};
use crate::{Client, ControlError};
use ban_credits::Credits;
use operation::Operation;
use retry::{Pauses, Rhythm};
use view::View;

/// Why a watch ended by itself.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The daemon refused what every watch needs.
    #[error("the cluster watch cannot start: {0}")]
    Start(#[from] ControlError),
    /// The daemon is gone.
    #[error("the cluster watch lost its daemon")]
    Closed,
}

/// A running watch. Nothing here is borrowed across a wait.
struct Watch<E> {
    client: Client,
    environment: E,
    configuration: Configuration,
    own: Pnn,
    began: Instant,
    election: RefCell<Election>,
    effects: mpsc::UnboundedSender<Effect>,
    /// The leader's timers changed.
    rearm: Notify,
    /// Something happened that a pass should look at now.
    wake: Notify,
    /// This node leads no longer, or a new election runs.
    deposed: Notify,
    state: RefCell<State>,
    view: RefCell<Option<View>>,
    /// A recovery began and has not succeeded yet.
    need_recovery: Cell<bool>,
}

/// Of this node's requests for a takeover run, per fault that they are to mend.
const WANTING: Rhythm = Rhythm {
    steady: 1,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};
/// Of takeover runs that fail. Six failures may get a node banned, as quickly as in upstream.
const TAKEOVERS: Rhythm = Rhythm {
    steady: 6,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};
/// Of recoveries that fail, per set of active nodes. The cluster stands still meanwhile, so the pauses stay
/// short.
const RECOVERIES: Rhythm = Rhythm {
    steady: 6,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(8),
};
/// Of the leader's word about flags that somebody does not take.
const FLAGS: Rhythm = Rhythm {
    steady: 2,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};

/// What the passes remember from one to the next.
struct State {
    credits: Credits,
    recoveries: Operation,
    takeovers: Operation,
    /// Who wants to know when the next takeover run is over.
    requests: Vec<SrvidMessage>,
    /// Those of them that were left when this node ceased to lead: they are the next leader's.
    unserved: Vec<SrvidMessage>,
    rebalance: Vec<Pnn>,
    need_takeover: bool,
    interfaces: Option<IfaceList>,
    /// The active nodes of the last recovery, and until when no other one is wanted for them.
    recovered: Option<(Vec<Pnn>, Instant)>,
    capabilities: Vec<(Pnn, Capabilities)>,
    /// Faults of addresses that a takeover run was wanted for.
    wanting: Pauses<String>,
    /// Takeover runs that failed.
    failed_takeovers: Pauses<()>,
    /// Active nodes of recoveries that failed.
    failed_recoveries: Pauses<Vec<Pnn>>,
    /// Nodes and flags that were pushed.
    pushed: Pauses<(Pnn, u32)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            credits: Credits::default(),
            recoveries: Operation::default(),
            takeovers: Operation::default(),
            requests: Vec::new(),
            unserved: Vec::new(),
            rebalance: Vec::new(),
            need_takeover: false,
            interfaces: None,
            recovered: None,
            capabilities: Vec::new(),
            wanting: Pauses::new(WANTING),
            failed_takeovers: Pauses::new(TAKEOVERS),
            failed_recoveries: Pauses::new(RECOVERIES),
            pushed: Pauses::new(FLAGS),
        }
    }
}

/// Watches over the cluster, on behalf of the daemon that `client` is connected to, until
/// [`Environment::stopped`] ends.
///
/// # Errors
/// The daemon refused a message port, or the connection to it ended.
pub async fn run<E: Environment>(client: Client, environment: E) -> Result<(), WatchError> {
    let own = client.pnn().await?;
    let (effects, mut queue) = mpsc::unbounded_channel();
    let watch = Watch::new(client, environment, own, effects);
    let ports = requests::open(&watch.client).await?;
    let ended = tokio::select! {
        biased;
        () = watch.environment.stopped() => Ok(()),
        () = watch.client.closed() => Err(WatchError::Closed),
        () = watch.carry_out_all(&mut queue) => Err(WatchError::Closed),
        () = watch.serve(ports) => Err(WatchError::Closed),
        () = watch.keep_time() => Err(WatchError::Closed),
        () = watch.pass_again_and_again() => Err(WatchError::Closed),
    };
    watch.resign(&mut queue).await;
    ended
}

impl<E: Environment> Watch<E> {
    /// A watch that has not seen anything yet; `effects` is what the election wants done.
    fn new(
        client: Client,
        environment: E,
        own: Pnn,
        effects: mpsc::UnboundedSender<Effect>,
    ) -> Self {
        let configuration = environment.configuration();
        let settings = Settings {
            own,
            cluster_lock: configuration.cluster_lock,
            leader_timeout: configuration.leader_timeout,
            fast_start: configuration.fast_start,
            priority: environment.wall_clock(),
        };
        Watch {
            own,
            began: Instant::now(),
            election: RefCell::new(Election::new(settings, Duration::ZERO)),
            effects,
            rearm: Notify::new(),
            wake: Notify::new(),
            deposed: Notify::new(),
            state: RefCell::default(),
            view: RefCell::default(),
            need_recovery: Cell::new(false),
            client,
            environment,
            configuration,
        }
    }

    fn log(&self, level: Level, text: &str) {
        self.environment.log(level, text);
    }

    /// Gives an input to the election; what follows from it is queued.
    fn feed(&self, input: Input) {
        let mut effects = Vec::new();
        let led = self.leads();
        self.election
            .borrow_mut()
            .handle(self.began.elapsed(), input, &mut effects);
        for effect in effects {
            // The receiver lives as long as the watch.
            let _ = self.effects.send(effect);
        }
        if led && !self.leads() {
            let mut state = self.state.borrow_mut();
            let left = std::mem::take(&mut state.requests);
            state.unserved.extend(left);
            drop(state);
            self.deposed.notify_waiters();
        }
        if !led && self.leads() {
            self.wake.notify_one();
        }
        self.pass_requests_on();
        self.rearm.notify_one();
    }

    fn leads(&self) -> bool {
        self.election.borrow().leads()
    }

    /// Counts faults against a node, unless this node is in no position to judge.
    fn credit(&self, view: &View, node: Pnn, faults: u32, reason: &str) {
        if view.own_flags().is_inactive() || !view.knows(node) {
            return;
        }
        let grace = view.tunables.recovery_grace_period();
        self.state
            .borrow_mut()
            .credits
            .add(node, faults, reason, Instant::now(), grace);
        self.log(
            Level::Notice,
            &format!("Node {node} has {faults} more banning credits"),
        );
    }
}
