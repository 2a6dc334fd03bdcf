//! What all nodes of a simulation share: network, cluster lock, disks, dice, the log, the findings.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use ctdb_config::nodes::NodeLine;
use ctdb_config::public_addresses::PublicAddressLine;
use ctdb_config::tunables::Tunables;
use ctdb_core::Now;
use ctdb_protocol::Pnn;
use tokio::time::Instant;

use crate::checkers::Checkers;
use crate::checkers::repeats::Repeats;
use crate::cluster_lock::ClusterLock;
use crate::daemon::Daemon;
use crate::nemesis::Tempo;
use crate::network::Network;
use crate::seed::Seed;
use crate::storage::SharedDisk;
use crate::workload::pace::Pace;

/// Wall time at the begin of every simulation: a Sunday in November 2026, microseconds.
const WALL_START_US: u64 = 1_795_000_000_000_000;

/// How a cluster is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Decides everything that is random.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: u32,
    /// Whether there is a cluster lock.
    pub cluster_lock: bool,
    /// Nodes whose configuration forgot the cluster lock.
    pub without_lock: Vec<u32>,
    /// Test mode: quick start.
    pub fast_start: bool,
    /// Number of public addresses.
    pub addresses: u8,
    /// Changed tunables.
    pub tunables: Vec<(&'static str, u32)>,
    /// How busy clients are.
    pub pace: Pace,
    /// How quickly fault follows fault.
    pub tempo: Tempo,
    /// Services read what others have written to them late, and in any order that the rules allow.
    pub late_letters: bool,
    /// Note packets about records in the log.
    pub trace_records: bool,
    /// Print log lines as they come.
    pub verbose: bool,
}

impl Setup {
    /// Three nodes in test mode with a cluster lock, as the test suites use them.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: 3,
            cluster_lock: true,
            without_lock: Vec::new(),
            fast_start: true,
            addresses: 4,
            tunables: Vec::new(),
            pace: Pace::Busy,
            tempo: Tempo::Brisk,
            late_letters: false,
            trace_records: false,
            verbose: false,
        }
    }
}

/// What a node's event scripts do about addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// What they should.
    Work,
    /// Nothing, and they succeed.
    DoNothing,
    /// They fail at once.
    Fail,
}

/// One line of the log.
#[derive(Debug, Clone)]
pub struct Line {
    /// Virtual time.
    pub at: Duration,
    /// Node that wrote it; `None` for the simulation itself.
    pub node: Option<Pnn>,
    /// The line.
    pub text: String,
}

/// The world of one simulation.
pub struct World {
    /// How it was set up.
    pub setup: Setup,
    /// The network.
    pub network: Network,
    /// The cluster lock.
    pub lock: ClusterLock,
    /// One disk for each node.
    pub disks: Vec<SharedDisk>,
    /// Running daemons.
    pub daemons: RefCell<Vec<Option<Rc<Daemon>>>>,
    /// Invariants.
    pub checkers: RefCell<Checkers>,
    /// Nodes whose monitor event fails.
    pub sick: RefCell<Vec<bool>>,
    /// What event scripts do about addresses, per node.
    pub scripts: RefCell<Vec<Scripts>>,
    /// What happens over and over.
    pub repeats: RefCell<Repeats>,
    /// Log of everything.
    pub log: RefCell<Vec<Line>>,
    /// How often each kind of fault was injected.
    pub faults: RefCell<BTreeMap<&'static str, u64>>,
    /// When the last of them was.
    pub last_fault: Cell<Instant>,
    seed: RefCell<Seed>,
    began: Instant,
    daemons_begun: Cell<u64>,
}

impl World {
    /// A world in which no daemon runs yet.
    #[must_use]
    pub fn new(setup: Setup) -> Rc<Self> {
        let mut seed = Seed::new(setup.seed);
        let count = setup.nodes as usize;
        Rc::new(Self {
            network: Network::new(seed.fork()),
            lock: ClusterLock::default(),
            disks: (0..count).map(|_| SharedDisk::default()).collect(),
            daemons: RefCell::new(vec![None; count]),
            checkers: RefCell::default(),
            sick: RefCell::new(vec![false; count]),
            scripts: RefCell::new(vec![Scripts::Work; count]),
            repeats: RefCell::default(),
            log: RefCell::default(),
            faults: RefCell::default(),
            last_fault: Cell::new(Instant::now()),
            seed: RefCell::new(seed),
            began: Instant::now(),
            daemons_begun: Cell::new(0),
            setup,
        })
    }

    /// Dice of its own for one part.
    pub fn dice(&self) -> Seed {
        self.seed.borrow_mut().fork()
    }

    /// A number for a new daemon, never used before.
    pub fn next_daemon(&self) -> u64 {
        self.daemons_begun.set(self.daemons_begun.get() + 1);
        self.daemons_begun.get()
    }

    /// Whether a node is configured with the cluster lock.
    #[must_use]
    pub fn uses_lock(&self, node: Pnn) -> bool {
        self.setup.cluster_lock && !self.setup.without_lock.contains(&node.0)
    }

    /// All node numbers.
    pub fn numbers(&self) -> impl Iterator<Item = Pnn> + use<> {
        (0..self.setup.nodes).map(Pnn)
    }

    /// The daemon of a node, if it runs.
    #[must_use]
    pub fn daemon(&self, node: Pnn) -> Option<Rc<Daemon>> {
        self.daemons
            .borrow()
            .get(node.0 as usize)
            .cloned()
            .flatten()
    }

    /// All daemons that run.
    #[must_use]
    pub fn running(&self) -> Vec<Rc<Daemon>> {
        self.daemons.borrow().iter().flatten().cloned().collect()
    }

    /// Virtual time since the begin.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Time as the core wants it.
    #[must_use]
    pub fn now(&self) -> Now {
        let since = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now {
            monotonic_us: since,
            wall_us: WALL_START_US + since,
        }
    }

    /// The instant of a monotonic time of the core.
    #[must_use]
    pub fn instant(&self, monotonic_us: u64) -> Instant {
        self.began + Duration::from_micros(monotonic_us)
    }

    /// A node does something that it must not do over and over. What it works off after it was stopped
    /// happened over a longer time than it seems.
    pub fn happens(&self, node: Pnn, what: &str) {
        if self.daemon(node).is_some_and(|daemon| daemon.catches_up()) {
            return;
        }
        let at = self.elapsed();
        self.repeats.borrow_mut().happens(at, node, what);
    }

    /// Writes to the log.
    pub fn note(&self, node: Option<Pnn>, text: impl Into<String>) {
        let line = Line {
            at: self.elapsed(),
            node,
            text: text.into(),
        };
        if self.setup.verbose {
            println!("{}", render(&line));
        }
        if let Some(node) = node {
            self.happens(node, &line.text);
        }
        self.log.borrow_mut().push(line);
    }

    /// Counts a fault and notes it.
    pub fn fault(&self, kind: &'static str, text: &str) {
        *self.faults.borrow_mut().entry(kind).or_default() += 1;
        self.last_fault.set(Instant::now());
        self.note(None, format!("FAULT {kind}: {text}"));
    }

    /// The nodes list.
    #[must_use]
    pub fn nodes_list(&self) -> Vec<NodeLine> {
        self.numbers()
            .map(|pnn| NodeLine {
                address: node_address(pnn),
                deleted: false,
            })
            .collect()
    }

    /// The public addresses that every node may host.
    #[must_use]
    pub fn public_addresses(&self) -> Vec<PublicAddressLine> {
        (1..=self.setup.addresses)
            .map(|number| PublicAddressLine {
                address: IpAddr::V4(Ipv4Addr::new(192, 168, 100, number)),
                prefix_bits: 24,
                interfaces: vec!["eth0".to_owned()],
            })
            .collect()
    }

    /// Tunables of all nodes.
    #[must_use]
    pub fn tunables(&self) -> Tunables {
        let mut tunables = Tunables::default();
        for (name, value) in &self.setup.tunables {
            assert!(
                tunables.set(name, *value).is_some(),
                "there is no tunable {name}"
            );
        }
        tunables
    }
}

/// The address of a node.
#[must_use]
pub fn node_address(pnn: Pnn) -> IpAddr {
    let last = u8::try_from(pnn.0 + 1).unwrap_or(u8::MAX);
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// A line as it is printed.
#[must_use]
pub fn render(line: &Line) -> String {
    let who = line
        .node
        .map_or_else(|| "sim".to_owned(), |node| format!("n{node}"));
    format!("{:>10.3} {who:>4} {}", line.at.as_secs_f64(), line.text)
}
