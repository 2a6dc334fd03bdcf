//! What every service is handed when it is called: the moment, the configuration, the views that other
//! services have published, and the ways out.
//!
//! Nothing in here can be changed by whoever does not own it. A [`View`] can be read by all, and written in
//! the folder of its owner only: the compiler keeps that rule. What one service wants of another goes
//! out as a [letter](crate::letter); what it has asked the world for comes back to it, with a value of
//! its own that says what it was for ([`Due`], [`Awaited`], [`Asked`]).

mod awaited;
mod packets;
mod requests;

pub(crate) use awaited::of_services;
pub use awaited::{Asked, Awaited, Due, Then};
pub use requests::{About, Requests};

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::id::{DbId, ReqId};
use ctdb_protocol::types::{Statistics, Tunable};

use crate::cluster::view::View;
use crate::database::Parked;
use crate::effect::{Effect, LogLevel, Ticket};
use crate::letter::{Letter, Mailbox};
use crate::settings::Settings;
use crate::statistics::Keeper;
use crate::time::Now;
use crate::timer::{TimerId, Timers};
use crate::{database, proxy, transport};

/// See the module's documentation.
pub struct Context {
    now: Now,
    settings: Settings,
    tunables: Tunables,
    view: View,
    clients: proxy::View,
    databases: database::View,
    peers: transport::View,
    statistics: Keeper,
    timers: Timers<Due>,
    /// Packets to the own node, processed after the current input.
    loopback: VecDeque<Bytes>,
    effects: Vec<Effect>,
    letters: Mailbox,
    /// Packets that had waited for something in a database and are to be processed again.
    later: VecDeque<(DbId, Parked)>,
    /// Controls that await an answer.
    requests: Requests,
    /// Requests to the shell that await an answer.
    awaited: BTreeMap<Ticket, Awaited>,
    last_reqid: u32,
    last_ticket: u64,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// What the cluster service has published is asked for most: `cx.pnn()` is `cx.view().pnn()`.
impl Deref for Context {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Context {
    pub(crate) fn new(
        settings: Settings,
        tunables: Tunables,
        view: View,
        letters: Mailbox,
    ) -> Self {
        Self {
            now: Now::default(),
            settings,
            tunables,
            view,
            clients: proxy::View::default(),
            databases: database::View::default(),
            peers: transport::View::default(),
            statistics: Keeper::default(),
            timers: Timers::default(),
            loopback: VecDeque::new(),
            effects: Vec::new(),
            letters,
            later: VecDeque::new(),
            requests: Requests::default(),
            awaited: BTreeMap::new(),
            last_reqid: 0,
            last_ticket: 0,
        }
    }

    // ---- the moment and the configuration --------------------------------------------------------

    /// The instant of the input that is being handled.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// What the configuration fixes.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The tunables as they are now.
    #[must_use]
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// SET_TUNABLE: whether the tunable is an obsolete one; `None` when there is none of that name.
    pub(crate) fn set_tunable(&mut self, name: &str, tunable: &Tunable) -> Option<bool> {
        let row = self.tunables.set(name, tunable.value)?;
        Some(row.obsolete)
    }

    // ---- views -----------------------------------------------------------------------------------

    /// What the cluster service has published.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The same, for its owner: nobody else can do anything with it.
    pub(crate) fn view_mut(&mut self) -> &mut View {
        &mut self.view
    }

    /// What the proxy has published.
    #[must_use]
    pub fn clients(&self) -> &proxy::View {
        &self.clients
    }

    /// The same, for its owner.
    pub(crate) fn clients_mut(&mut self) -> &mut proxy::View {
        &mut self.clients
    }

    /// What the database service has published.
    #[must_use]
    pub fn databases(&self) -> &database::View {
        &self.databases
    }

    /// The same, for its owner.
    pub(crate) fn databases_mut(&mut self) -> &mut database::View {
        &mut self.databases
    }

    /// What the transport has published.
    #[must_use]
    pub fn peers(&self) -> &transport::View {
        &self.peers
    }

    /// The same, for its owner.
    pub(crate) fn peers_mut(&mut self) -> &mut transport::View {
        &mut self.peers
    }

    // ---- words to the log ------------------------------------------------------------------------

    /// Writes a line to the log.
    pub fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        self.effects.push(Effect::Log {
            level,
            text: text.into(),
        });
    }

    /// Something failed.
    pub fn error(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Error, text);
    }

    /// Something an operator should look at.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Warning, text);
    }

    /// A change of state.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Notice, text);
    }

    /// Detail.
    pub fn info(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Info, text);
    }

    /// Something about a database took `seconds`: a line in the log when that is longer than LogLatencyMs. The
    /// operation has upstream's name.
    pub fn note_latency(&mut self, level: LogLevel, seconds: f64, operation: &str, database: &str) {
        let limit_ms = self.tunables.log_latency_ms();
        if limit_ms > 0 && seconds * 1000.0 > f64::from(limit_ms) {
            self.log(
                level,
                format!(
                    "High latency {seconds:.6}s for operation {operation} on database {database}"
                ),
            );
        }
    }

    /// The cluster lock took `seconds` to be tried: a line in the log when that is longer than
    /// RecLockLatencyMs.
    pub fn note_lock_latency(&mut self, seconds: f64, operation: &str) {
        let limit_ms = self.tunables.rec_lock_latency_ms();
        if limit_ms > 0 && seconds * 1000.0 > f64::from(limit_ms) {
            self.error(format!(
                "High RECLOCK latency {seconds:.6}s for operation {operation}"
            ));
        }
    }

    /// Changes counters of the node.
    pub fn count(&mut self, change: impl FnMut(&mut Statistics)) {
        self.statistics.count(change);
    }

    /// The counters, for those who report them.
    pub(crate) fn statistics(&mut self) -> &mut Keeper {
        &mut self.statistics
    }

    // ---- ways out --------------------------------------------------------------------------------

    /// Has the shell do something.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Tells another service something; it reads it as soon as the current step is over.
    pub fn post(&mut self, letter: impl Into<Letter>) {
        self.letters.put(letter.into());
    }

    /// A packet of a database that has waited is processed again, in this turn or the next.
    pub fn later(&mut self, db: DbId, parked: Parked) {
        self.later.push_back((db, parked));
    }

    /// What was put off for a database is not wanted any more.
    pub(crate) fn forget_later(&mut self, db: DbId) {
        self.later.retain(|(other, _)| *other != db);
    }

    /// A request id that is not in use. Never 0.
    pub fn next_reqid(&mut self) -> ReqId {
        loop {
            self.last_reqid = if self.last_reqid >= 0x7fff_ffff {
                1
            } else {
                self.last_reqid + 1
            };
            let reqid = ReqId(self.last_reqid);
            if self.requests.get(reqid).is_none() {
                return reqid;
            }
        }
    }

    /// A fresh name for a request to the shell; its answer comes with `awaited`.
    pub fn expect(&mut self, awaited: impl Into<Awaited>) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.awaited.insert(ticket, awaited.into());
        ticket
    }

    /// What the answer with this name is for; the name stays known.
    #[must_use]
    pub fn awaited(&self, ticket: Ticket) -> Option<&Awaited> {
        self.awaited.get(&ticket)
    }

    /// Takes what the answer with this name is for: no further answer is expected.
    pub fn settle(&mut self, ticket: Ticket) -> Option<Awaited> {
        self.awaited.remove(&ticket)
    }

    /// Arms a timer `delay` from now.
    pub fn arm(&mut self, delay: Duration, due: impl Into<Due>) -> TimerId {
        self.arm_at(self.now.after(delay), due)
    }

    /// Arms a timer for a monotonic instant.
    pub fn arm_at(&mut self, at_us: u64, due: impl Into<Due>) -> TimerId {
        self.timers.arm(at_us, due.into())
    }

    /// Disarms a timer; one that has fired already is ignored.
    pub fn disarm(&mut self, timer: TimerId) {
        self.timers.disarm(timer);
    }

    /// How long anything that a daemon asks another for may take; `None`: for ever.
    #[must_use]
    pub fn control_timeout(&self) -> Option<Duration> {
        let timeout_s = self.tunables.control_timeout();
        (timeout_s > 0).then(|| Duration::from_secs(u64::from(timeout_s)))
    }
}

/// The router's side.
impl Context {
    /// A step begins; its effects go to `out`.
    pub(crate) fn begin(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.now = now;
        self.letters.turn();
        std::mem::swap(&mut self.effects, out);
    }

    /// It ends.
    pub(crate) fn end(&mut self, out: &mut Vec<Effect>) {
        std::mem::swap(&mut self.effects, out);
    }

    /// The oldest letter that may be read now.
    pub(crate) fn take_letter(&mut self) -> Option<Letter> {
        self.letters.take()
    }

    pub(crate) fn take_due(&mut self) -> Option<Due> {
        self.timers.take_due(self.now.monotonic_us)
    }

    pub(crate) fn take_loopback(&mut self) -> Option<Bytes> {
        self.loopback.pop_front()
    }

    pub(crate) fn take_later(&mut self) -> Option<(DbId, Parked)> {
        self.later.pop_front()
    }

    /// The instant at which there is something to do without an input; 0: now.
    pub(crate) fn next_wake_us(&self) -> Option<u64> {
        if !self.loopback.is_empty() || !self.later.is_empty() {
            return Some(0);
        }
        let letters_us = self.letters.next_us(self.now.monotonic_us);
        letters_us.into_iter().chain(self.timers.next_us()).min()
    }

    /// Armed timers, packets to the own node, and controls that await an answer, for the report on memory.
    pub(crate) fn lengths(&self) -> (usize, usize, usize) {
        let requests = self.requests.len();
        (self.timers.len(), self.loopback.len(), requests)
    }
}

#[cfg(test)]
impl Context {
    /// Sets where request ids go on.
    pub(crate) fn set_last_reqid(&mut self, last: u32) {
        self.last_reqid = last;
    }

    pub(crate) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}
