//! Who leads: the rules of leader broadcasts, the cluster lock and elections, as a pure state machine.
//!
//! [`Election::handle`] takes what happened and says what to do; it reads no clock and sends nothing.
//! [`crate::procedure::cluster_watch`] drives it. What peers see follows upstream's recovery daemon
//! (`ctdb_recoverd.c`), with three differences that its nodes understand:
//! a leader that resigns says so, a leader whose connection broke is replaced without waiting for the
//! leader timeout, and the loser of a race for the lock tries again quietly while nobody leads.

use std::collections::BTreeSet;
use std::time::Duration;

use ctdb_protocol::LockAnswer;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::NodeFlags;

/// Time since some fixed instant, monotonic.
pub type Instant = Duration;

/// How often a leader repeats that it leads, as all peers expect.
pub const BROADCAST_INTERVAL: Duration = Duration::from_secs(1);
/// How long the winner of a comparison waits before it announces its own candidacy, so that one
/// announcement answers several.
const REPLY_DELAY: Duration = Duration::from_millis(40);
/// First pause before the lock is tried again while nobody leads; doubles up to the leader timeout.
const FIRST_RETRY: Duration = Duration::from_millis(150);
/// Length of an election in test mode (upstream calls it fast start).
const FAST_ELECTION: Duration = Duration::from_millis(500);

/// What does not change while the daemon runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Own node number.
    pub own: Pnn,
    /// Whether leadership goes to the holder of a cluster lock.
    pub cluster_lock: bool,
    /// Silence of a leader that makes the others elect.
    pub leader_timeout: Duration,
    /// Whether the first election is short (test mode).
    pub fast_start: bool,
    /// When this node began; the older node wins an election. Seconds and microseconds of wall time.
    pub priority: (i64, i64),
}

/// What a node says about itself in an election. 32 bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub pnn: Pnn,
    /// How many nodes it is connected to, itself included; told, never compared.
    pub connected: u32,
    /// Since when it can lead: seconds and microseconds of wall time.
    pub priority: (i64, i64),
    /// Its node flags.
    pub flags: NodeFlags,
}

/// The node's own situation, as read from the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Own node flags.
    pub flags: NodeFlags,
    /// Whether the configuration and the operator allow this node to lead.
    pub capable: bool,
    /// Nodes that are connected, the own one included.
    pub connected: BTreeSet<Pnn>,
    /// Nodes of the nodes list that are not deleted.
    pub total: usize,
    /// Length of an election without lock (tunable ElectionTimeout).
    pub election_timeout: Duration,
    /// Wall time of this reading: seconds and microseconds.
    pub wall: (i64, i64),
}

impl Status {
    /// Whether this node may lead: active and with the capability.
    #[must_use]
    pub fn can_lead(&self) -> bool {
        self.capable && !self.flags.intersects(NodeFlags::INACTIVE)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed; see [`Election::next_wake`].
    Timer,
    /// The own situation was read again.
    Status(Status),
    /// A LEADER message.
    ///
    /// Own ones come back too, and nobody can tell where an UNKNOWN comes from: a daemon hands messages
    /// to its clients as if they were its own.
    Leader(Pnn),
    /// An ELECTION message.
    Election(Candidate),
    /// A loser's note that it accepts this node (our own nodes only).
    Yielded(Pnn),
    /// The answer to [`Effect::Prepare`].
    Prepared {
        /// Whether every node that was asked is in recovery now.
        ok: bool,
    },
    /// The answer to [`Effect::TryLock`].
    Lock(LockAnswer),
    /// The helper that held the lock is gone.
    LockLost,
    /// No node has ever recovered and all are here: waiting for a leader would be in vain.
    ColdStart,
    /// This node ends.
    Resign,
}

/// Something to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put all active nodes into recovery mode, then answer with [`Input::Prepared`].
    Prepare,
    /// Send LEADER to the connected nodes.
    Broadcast(Pnn),
    /// Send ELECTION to all nodes.
    Announce(Candidate),
    /// Tell a node that it won as far as we are concerned.
    Yield(Pnn),
    /// Try the cluster lock, then answer with [`Input::Lock`].
    TryLock,
    /// Give the lock back, or end the attempt at it.
    ReleaseLock,
    /// The leader is another one now.
    Changed {
        /// Before.
        from: Pnn,
        /// Now.
        to: Pnn,
    },
    /// A line for the log.
    Log(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    /// All nodes are being put into recovery; the election follows.
    Preparing,
    /// Somebody said that nobody leads; its ELECTION should follow.
    Expecting {
        until: Instant,
    },
    /// An election without lock.
    Electing {
        until: Instant,
        reply_at: Option<Instant>,
        yielded: BTreeSet<Pnn>,
    },
    /// The lock is being tried.
    Racing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    Free,
    /// An attempt is running. `wanted` is false once it has been given up.
    Trying {
        wanted: bool,
    },
    Held,
}

/// An election as one node sees it.
#[derive(Debug)]
pub struct Election {
    settings: Settings,
    status: Option<Status>,
    leader: Pnn,
    phase: Phase,
    lock: Lock,
    priority: (i64, i64),
    fast: bool,
    deadline: Option<Instant>,
    next_broadcast: Instant,
    retry: Option<(Instant, Duration)>,
    hold_off: Option<Instant>,
    resigned: bool,
}

impl Election {
    /// A node that knows of no leader yet and has just begun to listen.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            status: None,
            leader: Pnn::UNKNOWN,
            phase: Phase::Idle,
            lock: Lock::Free,
            priority: settings.priority,
            fast: settings.fast_start,
            deadline: Some(now + settings.leader_timeout),
            next_broadcast: now,
            retry: None,
            hold_off: None,
            resigned: false,
            settings,
        }
    }

    /// Who leads, as far as this node knows.
    #[must_use]
    pub fn leader(&self) -> Pnn {
        self.leader
    }

    /// Whether this node leads and no election casts doubt on it.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leader == self.settings.own && !self.electing() && !self.resigned
    }

    /// Whether an election or a race for the lock is going on.
    #[must_use]
    pub fn electing(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether the cluster lock is held by this node.
    #[must_use]
    pub fn holds_lock(&self) -> bool {
        self.lock == Lock::Held
    }

    /// When [`Input::Timer`] is due next.
    #[must_use]
    pub fn next_wake(&self) -> Instant {
        let phase = match &self.phase {
            Phase::Electing {
                until, reply_at, ..
            } => Some(reply_at.map_or(*until, |at| at.min(*until))),
            Phase::Expecting { until } => Some(*until),
            Phase::Idle | Phase::Preparing | Phase::Racing => None,
        };
        [
            phase,
            self.deadline,
            self.retry.map(|(at, _)| at),
            self.hold_off,
        ]
        .into_iter()
        .flatten()
        .fold(self.next_broadcast, Instant::min)
    }

    /// Takes one input and appends what is to be done to `out`.
    ///
    /// Timers that are due come first: a node that was stopped for longer than the leader timeout has
    /// missed its leader, whatever waits in its queues.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        if self.resigned {
            if input == Input::Lock(LockAnswer::Held) {
                out.push(Effect::ReleaseLock);
            }
            return;
        }
        let before = self.leader;
        self.run_timers(now, out);
        match input {
            Input::Timer => {}
            Input::Status(status) => self.take_status(now, status, out),
            Input::Leader(leader) => self.hear_leader(now, leader, out),
            Input::Election(candidate) => self.hear_candidate(now, candidate, out),
            Input::Yielded(pnn) => self.hear_yield(now, pnn, out),
            Input::Prepared { ok } => self.prepared(now, ok, out),
            Input::Lock(answer) => self.lock_answered(now, answer, out),
            Input::LockLost => self.lock_lost(now, out),
            Input::ColdStart => {
                if self.leader == Pnn::UNKNOWN && self.phase == Phase::Idle && self.can_lead() {
                    self.elect(now, false, out);
                }
            }
            Input::Resign => self.resign(now, out),
        }
        if self.leader != before {
            out.push(Effect::Changed {
                from: before,
                to: self.leader,
            });
        }
    }

    fn can_lead(&self) -> bool {
        self.status.as_ref().is_some_and(Status::can_lead)
    }

    fn election_timeout(&self) -> Duration {
        match &self.status {
            Some(status) if !self.fast => status.election_timeout,
            _ => FAST_ELECTION,
        }
    }

    fn run_timers(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.hold_off.is_some_and(|until| until <= now) {
            self.hold_off = None;
        }
        if self.next_broadcast <= now {
            self.next_broadcast = now + BROADCAST_INTERVAL;
            if self.leads() && self.can_lead() {
                out.push(Effect::Broadcast(self.settings.own));
            }
        }
        self.run_phase_timers(now, out);
        if self.retry.is_some_and(|(at, _)| at <= now) {
            self.retry_lock(now, out);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            out.push(Effect::Log(format!(
                "Leader broadcast timeout: no word from node {} for {:?}",
                self.leader, self.settings.leader_timeout
            )));
            if self.phase == Phase::Racing {
                // The attempt may hang for minutes. Recovery mode cannot wait for it: a node that is
                // alone lets its addresses go some time after that begins.
                out.push(Effect::Prepare);
            } else {
                self.elect(now, true, out);
            }
        }
    }

    fn run_phase_timers(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match &mut self.phase {
            Phase::Electing { until, .. } if *until <= now => self.end_election(now, out),
            Phase::Electing { reply_at, .. } if reply_at.is_some_and(|at| at <= now) => {
                *reply_at = None;
                self.announce(now, out);
            }
            Phase::Expecting { until } if *until <= now => {
                self.phase = Phase::Idle;
                self.elect(now, false, out);
            }
            Phase::Electing { .. }
            | Phase::Expecting { .. }
            | Phase::Idle
            | Phase::Preparing
            | Phase::Racing => {}
        }
    }

    /// A quiet attempt at the lock while nobody leads; no message tells of it unless it succeeds.
    fn retry_lock(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.leader != Pnn::UNKNOWN || !self.can_lead() || !self.settings.cluster_lock {
            self.retry = None;
            return;
        }
        if let Some(until) = self.hold_off {
            self.retry = self.retry.map(|(_, pause)| (until, pause));
            return;
        }
        let pause = self.retry.map_or(FIRST_RETRY, |(_, pause)| pause);
        let pause = (pause * 2).min(self.settings.leader_timeout);
        self.retry = Some((now + pause, pause));
        if self.lock == Lock::Free && self.phase == Phase::Idle {
            self.try_lock(out);
        }
    }

    fn try_lock(&mut self, out: &mut Vec<Effect>) {
        self.lock = Lock::Trying { wanted: true };
        self.phase = Phase::Racing;
        out.push(Effect::TryLock);
    }

    fn release(&mut self, out: &mut Vec<Effect>) {
        match self.lock {
            Lock::Held => self.lock = Lock::Free,
            Lock::Trying { wanted: true } => self.lock = Lock::Trying { wanted: false },
            Lock::Free | Lock::Trying { wanted: false } => return,
        }
        if self.phase == Phase::Racing {
            self.phase = Phase::Idle;
        }
        out.push(Effect::ReleaseLock);
    }

    fn wait_for_leader(&mut self, now: Instant) {
        self.deadline = Some(now + self.settings.leader_timeout);
    }

    /// As `force_election`. `prepare` puts the cluster into recovery first, as upstream always does;
    /// without it a new leader finds an unchanged cluster and has nothing to recover.
    fn elect(&mut self, now: Instant, prepare: bool, out: &mut Vec<Effect>) {
        if self.phase != Phase::Idle {
            return;
        }
        if !self.can_lead() {
            self.leader = Pnn::UNKNOWN;
            self.wait_for_leader(now);
            return;
        }
        if let Some(until) = self.hold_off {
            self.leader = Pnn::UNKNOWN;
            self.deadline = Some(until + FIRST_RETRY);
            self.retry = Some((until, FIRST_RETRY));
            return;
        }
        self.deadline = None;
        if prepare {
            self.phase = Phase::Preparing;
            out.push(Effect::Prepare);
        } else {
            self.begin_election(now, out);
            self.limit_race(now);
        }
    }

    /// An attempt that began without recovery mode is given as long as a silent leader.
    fn limit_race(&mut self, now: Instant) {
        self.deadline = None;
        if self.phase == Phase::Racing {
            self.wait_for_leader(now);
        }
    }

    fn prepared(&mut self, now: Instant, ok: bool, out: &mut Vec<Effect>) {
        if self.phase != Phase::Preparing {
            return;
        }
        self.phase = Phase::Idle;
        if !ok {
            // As upstream: a node that does not answer may only be not yet seen as gone.
            self.wait_for_leader(now);
        } else if self.can_lead() {
            self.begin_election(now, out);
        }
    }

    fn begin_election(&mut self, now: Instant, out: &mut Vec<Effect>) {
        out.push(Effect::Broadcast(Pnn::UNKNOWN));
        if self.settings.cluster_lock {
            self.race(now, out);
        } else {
            self.leader = self.settings.own;
            self.phase = Phase::Electing {
                until: now + self.election_timeout(),
                reply_at: None,
                yielded: BTreeSet::new(),
            };
            self.announce(now, out);
        }
    }

    fn race(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.lock {
            _ if !self.can_lead() => self.release(out),
            Lock::Held => self.lead(now, out),
            Lock::Trying { .. } => {}
            Lock::Free => {
                self.leader = Pnn::UNKNOWN;
                self.try_lock(out);
            }
        }
    }

    fn lead(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.leader = self.settings.own;
        self.phase = Phase::Idle;
        self.deadline = None;
        self.retry = None;
        self.fast = false;
        self.next_broadcast = now + BROADCAST_INTERVAL;
        out.push(Effect::Broadcast(self.settings.own));
    }

    fn announce(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let until = now + self.election_timeout();
        let Some(status) = &self.status else { return };
        out.push(Effect::Announce(self.candidacy(status)));
        if let Phase::Electing {
            yielded,
            until: end,
            ..
        } = &mut self.phase
        {
            yielded.clear();
            *end = until;
        }
        self.leader = self.settings.own;
        self.end_if_unanimous(now, out);
    }

    fn candidacy(&self, status: &Status) -> Candidate {
        let can_lead = status.can_lead();
        Candidate {
            pnn: self.settings.own,
            connected: if can_lead {
                u32::try_from(status.connected.len()).unwrap_or(0)
            } else {
                0
            },
            priority: if can_lead { self.priority } else { status.wall },
            flags: status.flags,
        }
    }

    fn end_if_unanimous(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let (
            Phase::Electing {
                yielded,
                reply_at: None,
                ..
            },
            Some(status),
        ) = (&self.phase, &self.status)
        else {
            return;
        };
        let all = status
            .connected
            .iter()
            .all(|pnn| *pnn == self.settings.own || yielded.contains(pnn));
        // Alone, the usual time is waited: peers may be about to connect.
        if all && status.connected.len() > 1 && self.leader == self.settings.own {
            self.end_election(now, out);
        }
    }

    fn end_election(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.phase = Phase::Idle;
        self.fast = false;
        if self.leader == self.settings.own && self.can_lead() {
            self.lead(now, out);
        } else {
            if self.leader == self.settings.own {
                self.leader = Pnn::UNKNOWN;
            }
            self.wait_for_leader(now);
        }
    }

    fn hear_leader(&mut self, now: Instant, leader: Pnn, out: &mut Vec<Effect>) {
        if leader == self.settings.own {
            return;
        }
        if leader == Pnn::UNKNOWN {
            self.hear_unknown(now, out);
        } else if self.lock == Lock::Held && self.can_lead() {
            // Whoever holds the lock leads; this is an old message, or the sender will hear ours.
            if self.leader != self.settings.own {
                self.lead(now, out);
            }
        } else if self.leads() && !self.settings.cluster_lock {
            out.push(Effect::Log(format!(
                "Node {leader} leads, and so does this one: election"
            )));
            self.elect(now, true, out);
        } else {
            self.adopt(now, leader);
        }
    }

    fn adopt(&mut self, now: Instant, leader: Pnn) {
        match self.phase {
            Phase::Expecting { .. } => self.phase = Phase::Idle,
            Phase::Electing { .. } if self.leader == leader => self.phase = Phase::Idle,
            Phase::Electing { .. } => return,
            Phase::Idle | Phase::Preparing | Phase::Racing => {}
        }
        self.leader = leader;
        self.retry = None;
        self.fast = false;
        self.wait_for_leader(now);
    }

    fn hear_unknown(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.lock == Lock::Held && self.can_lead() {
            self.lead(now, out);
            return;
        }
        if self.phase != Phase::Idle {
            return;
        }
        if !self.settings.cluster_lock {
            self.deadline = None;
            self.phase = Phase::Expecting {
                until: now + self.election_timeout(),
            };
        } else if self.hold_off.is_some() || !self.can_lead() {
            self.elect(now, false, out);
        } else {
            self.race(now, out);
            self.limit_race(now);
        }
    }

    fn hear_candidate(&mut self, now: Instant, candidate: Candidate, out: &mut Vec<Effect>) {
        if candidate.pnn == self.settings.own || self.settings.cluster_lock {
            return;
        }
        self.deadline = None;
        let until = now + self.election_timeout();
        let won = self.beats(&candidate);
        let (reply_at, yielded) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Electing {
                reply_at, yielded, ..
            } => (reply_at, yielded),
            Phase::Idle | Phase::Preparing | Phase::Expecting { .. } | Phase::Racing => {
                (None, BTreeSet::new())
            }
        };
        let reply_at = won.then(|| reply_at.unwrap_or(now + REPLY_DELAY));
        self.phase = Phase::Electing {
            until,
            reply_at,
            yielded,
        };
        if !won {
            self.release(out);
            self.leader = candidate.pnn;
            out.push(Effect::Yield(candidate.pnn));
        }
    }

    /// Upstream's comparison, in the view of the receiver.
    fn beats(&self, other: &Candidate) -> bool {
        if !self.can_lead() {
            return false;
        }
        if other.flags.intersects(NodeFlags::INACTIVE) {
            return true;
        }
        match self.priority.cmp(&other.priority) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => self.settings.own > other.pnn,
        }
    }

    fn hear_yield(&mut self, now: Instant, from: Pnn, out: &mut Vec<Effect>) {
        if let Phase::Electing { yielded, .. } = &mut self.phase {
            yielded.insert(from);
            self.end_if_unanimous(now, out);
        }
    }

    fn lock_answered(&mut self, now: Instant, answer: LockAnswer, out: &mut Vec<Effect>) {
        let wanted = self.lock == Lock::Trying { wanted: true };
        if self.phase == Phase::Racing {
            self.phase = Phase::Idle;
        }
        if answer == LockAnswer::Held {
            if !wanted || !self.can_lead() {
                self.lock = Lock::Free;
                out.push(Effect::ReleaseLock);
                self.wait_for_leader(now);
                return;
            }
            self.lock = Lock::Held;
            out.push(Effect::Log(format!(
                "Took cluster lock, leader={}",
                self.settings.own
            )));
            self.lead(now, out);
            return;
        }
        self.lock = Lock::Free;
        self.fast = false;
        if self.leader == self.settings.own {
            self.leader = Pnn::UNKNOWN;
        }
        if self.leader == Pnn::UNKNOWN && wanted && self.retry.is_none() {
            self.retry = Some((now + FIRST_RETRY, FIRST_RETRY));
        }
        if self.deadline.is_none() {
            self.wait_for_leader(now);
        }
        if let Some(reason) = answer.reason() {
            out.push(Effect::Log(format!(
                "Unable to take cluster lock - {reason}"
            )));
        }
    }

    fn lock_lost(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.lock != Lock::Held {
            return;
        }
        out.push(Effect::Log("Cluster lock lost".to_owned()));
        self.lock = Lock::Free;
        if self.leader == self.settings.own {
            self.leader = Pnn::UNKNOWN;
        }
        self.elect(now, false, out);
    }

    fn take_status(&mut self, now: Instant, status: Status, out: &mut Vec<Effect>) {
        if status.flags.intersects(NodeFlags::INACTIVE) {
            // Who was away comes last in the next election.
            self.priority = status.wall;
        }
        let old = self.status.replace(status);
        let led = self.leader == self.settings.own;
        if led && !self.can_lead() {
            self.step_down(now, out);
            return;
        }
        if self.lock == Lock::Held && !self.can_lead() {
            self.release(out);
        }
        if let Some(old) = old {
            self.greet_new_peers(&old, out);
            self.note_lost_peers(now, &old, out);
        }
        self.end_if_unanimous(now, out);
    }

    /// The own node may lead no longer: say so at once, in a way that every peer acts upon.
    fn step_down(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.release(out);
        self.leader = Pnn::UNKNOWN;
        self.phase = Phase::Idle;
        self.retry = None;
        out.push(Effect::Broadcast(Pnn::UNKNOWN));
        if !self.settings.cluster_lock {
            if let Some(status) = &self.status {
                out.push(Effect::Announce(self.candidacy(status)));
            }
            self.phase = Phase::Electing {
                until: now + self.election_timeout(),
                reply_at: None,
                yielded: BTreeSet::new(),
            };
        }
        self.wait_for_leader(now);
    }

    /// A node that has just come learns at once who leads, and elects nobody.
    fn greet_new_peers(&self, old: &Status, out: &mut Vec<Effect>) {
        let Some(status) = &self.status else { return };
        if self.leads() && !status.connected.is_subset(&old.connected) {
            out.push(Effect::Broadcast(self.settings.own));
        }
    }

    fn note_lost_peers(&mut self, now: Instant, old: &Status, out: &mut Vec<Effect>) {
        let Some(status) = &self.status else { return };
        let seen = status.connected.len();
        let fewer = seen < old.connected.len();
        let leader_lost =
            old.connected.contains(&self.leader) && !status.connected.contains(&self.leader);
        if fewer && self.settings.cluster_lock {
            self.hold_back(now, seen, status.total, out);
        }
        if leader_lost {
            out.push(Effect::Log(format!(
                "Lost the connection to leader {}",
                self.leader
            )));
            self.leader = Pnn::UNKNOWN;
            self.elect(now, false, out);
        }
    }

    /// Who sees few of the others lets the larger side of a partition have the lock first. A leader
    /// waits twice as long as a follower, since its side knows of the partition already.
    fn hold_back(&mut self, now: Instant, seen: usize, total: usize, out: &mut Vec<Effect>) {
        let share = |times: u32| {
            let missing = u32::try_from(total - seen.min(total)).unwrap_or(u32::MAX);
            let total = u32::try_from(total.max(1)).unwrap_or(u32::MAX);
            self.settings
                .leader_timeout
                .saturating_mul(times)
                .saturating_mul(missing)
                / total
        };
        if self.lock == Lock::Held && 2 * seen <= total {
            let wait = share(2);
            out.push(Effect::Log(format!(
                "Only {seen} of {total} nodes in sight: giving up the cluster lock for {wait:?}"
            )));
            self.hold_off = Some(now + wait);
            self.release(out);
            self.leader = Pnn::UNKNOWN;
            out.push(Effect::Broadcast(Pnn::UNKNOWN));
            self.retry = Some((now + wait, FIRST_RETRY));
            self.deadline = Some(now + wait + FIRST_RETRY);
        } else if self.lock != Lock::Held && 2 * seen < total {
            self.hold_off = Some(now + share(1));
        }
    }

    fn resign(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let led = self.leader == self.settings.own;
        self.release(out);
        if led {
            self.leader = Pnn::UNKNOWN;
            out.push(Effect::Broadcast(Pnn::UNKNOWN));
            if let (false, Some(status)) = (self.settings.cluster_lock, &self.status) {
                // The flag exists in this message only: everybody else is the better candidate.
                let mut candidate = self.candidacy(status);
                candidate.flags |= NodeFlags::STOPPED;
                candidate.priority = status.wall;
                out.push(Effect::Announce(candidate));
            }
        }
        self.wait_for_leader(now);
        self.resigned = true;
    }
}

#[cfg(test)]
mod tests;
