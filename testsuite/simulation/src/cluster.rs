//! A whole cluster under test: begin, wait, disturb, look.

use std::rc::Rc;
use std::time::Duration;

use ctdb_client::{Client, ControlError};
use ctdb_protocol::Control;
use ctdb_protocol::Pnn;
use ctdb_protocol::control::Shutdown;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::checkers::liveness;
use crate::daemon::Daemon;
use crate::world::{Setup, World};

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a simulation in virtual time, on this thread.
///
/// # Panics
/// The runtime cannot be built.
pub fn simulate<T>(story: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    LocalSet::new().block_on(&runtime, story())
}

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    /// All that its nodes share.
    pub world: Rc<World>,
}

impl Cluster {
    /// A cluster in which no daemon runs.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let world = World::new(setup);
        let watched = Rc::downgrade(&world);
        tokio::task::spawn_local(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                let Some(world) = watched.upgrade() else {
                    return;
                };
                let mut checkers = world.checkers.borrow_mut();
                checkers.tick(&world);
            }
        });
        Self { world }
    }

    /// A cluster that works.
    ///
    /// # Panics
    /// It does not come up.
    pub async fn ready(setup: Setup) -> Self {
        let cluster = Self::new(setup);
        cluster.start_all();
        cluster.expect_healthy(Duration::from_secs(60)).await;
        cluster
    }

    /// Starts every daemon that does not run.
    pub fn start_all(&self) {
        for pnn in self.world.numbers() {
            self.start(pnn);
        }
    }

    /// Starts a daemon unless it runs.
    pub fn start(&self, pnn: Pnn) -> Rc<Daemon> {
        self.world
            .daemon(pnn)
            .unwrap_or_else(|| Daemon::begin(&self.world, pnn))
    }

    /// A running daemon.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn daemon(&self, pnn: u32) -> Rc<Daemon> {
        self.world
            .daemon(Pnn(pnn))
            .unwrap_or_else(|| panic!("node {pnn} does not run"))
    }

    /// Waits until something is so; tells after how long, or that it never was.
    pub async fn wait_until(
        &self,
        limit: Duration,
        is_so: impl Fn(&World) -> bool,
    ) -> Option<Duration> {
        let began = Instant::now();
        while !is_so(&self.world) {
            if began.elapsed() >= limit {
                return None;
            }
            sleep(LOOK).await;
        }
        Some(began.elapsed())
    }

    /// Waits until the cluster is all right; tells how long that took, or what is wrong.
    ///
    /// # Errors
    /// What keeps it from being all right.
    pub async fn wait_healthy(&self, limit: Duration) -> Result<Duration, Vec<String>> {
        let healthy = |world: &World| liveness::complaints(world).is_empty();
        self.wait_until(limit, healthy)
            .await
            .ok_or_else(|| liveness::complaints(&self.world))
    }

    /// As [`Cluster::wait_healthy`], for tests.
    ///
    /// # Panics
    /// It is not all right in time; the log is printed.
    pub async fn expect_healthy(&self, limit: Duration) -> Duration {
        match self.wait_healthy(limit).await {
            Ok(took) => took,
            Err(complaints) => {
                self.print_log();
                panic!(
                    "seed {}: not healthy after {limit:?}: {complaints:?}",
                    self.world.setup.seed
                )
            }
        }
    }

    /// Sends a control by a client of its own.
    ///
    /// # Errors
    /// It failed.
    pub async fn control<C: Control>(
        &self,
        node: u32,
        request: &C::Request,
    ) -> Result<C::Reply, ControlError> {
        let client: Client = self.daemon(node).connect(900);
        client
            .request::<C>(Pnn::CURRENT, request)
            .timeout(Duration::from_secs(60))
            .send()
            .await
    }

    /// Tells a daemon to shut down, without waiting for it.
    pub fn shut_down(&self, node: u32) {
        let client: Client = self.daemon(node).connect(900);
        client
            .request::<Shutdown>(Pnn::CURRENT, &())
            .no_reply()
            .send();
    }

    /// Who leads, as the last broadcast said, if that is not too old.
    #[must_use]
    pub fn leader(&self) -> Option<Pnn> {
        let checkers = self.world.checkers.borrow();
        let (leader, at) = checkers.leader.last?;
        (at.elapsed() < Duration::from_secs(3)).then_some(leader)
    }

    /// The generation of a node.
    #[must_use]
    pub fn generation(&self, node: u32) -> u32 {
        self.daemon(node).node.borrow().view().generation().0
    }

    /// Waits until the nodes agree with each other, whichever of them run and are active.
    ///
    /// # Panics
    /// They do not in time; the log is printed.
    pub async fn expect_settled(&self, active: &[u32], limit: Duration) -> Duration {
        let wanted: Vec<Pnn> = active.iter().map(|pnn| Pnn(*pnn)).collect();
        let settled = |world: &World| {
            let mut generations = wanted.iter().map(|pnn| {
                let daemon = world.daemon(*pnn)?;
                let node = daemon.node.borrow();
                let view = node.view();
                let normal = !view.recovering();
                (normal && view.vnn_map().nodes == wanted).then_some(view.generation())
            });
            let first = generations.next().flatten();
            first.is_some() && generations.all(|generation| generation == first)
        };
        match self.wait_until(limit, settled).await {
            Some(took) => took,
            None => {
                self.print_log();
                panic!(
                    "seed {}: {active:?} not settled after {limit:?}",
                    self.world.setup.seed
                )
            }
        }
    }

    /// Fails if a checker has found something.
    ///
    /// # Panics
    /// It has; the log is printed.
    pub fn expect_no_violation(&self) {
        let violations = self.violations();
        if !violations.is_empty() {
            self.print_log();
            panic!("seed {}: {violations:?}", self.world.setup.seed);
        }
    }

    /// How many lines of the log contain this.
    #[must_use]
    pub fn count_in_log(&self, text: &str) -> usize {
        self.world
            .log
            .borrow()
            .iter()
            .filter(|line| line.text.contains(text))
            .count()
    }

    /// What checkers have found so far.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.world.checkers.borrow().violations.clone();
        violations.extend_from_slice(&self.world.repeats.borrow().violations);
        violations
    }

    /// Prints the log.
    pub fn print_log(&self) {
        for line in self.world.log.borrow().iter() {
            println!("{}", crate::world::render(line));
        }
    }
}
