//! The cluster lock, as a cluster filesystem would give it: one holder at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ctdb_protocol::Pnn;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the filesystem does with attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// What it should.
    Well,
    /// Fails at once.
    Failing,
    /// Does not answer.
    Hanging,
}

/// Holder of the lock: a node and which of its daemons.
pub type Holder = (Pnn, u64);

#[derive(Debug)]
struct State {
    holder: Option<Holder>,
    mood: Mood,
    /// When attempts were last left hanging.
    hung_until: Option<Instant>,
}

/// The lock. Clones are the same lock.
#[derive(Debug, Clone)]
pub struct ClusterLock {
    state: Rc<RefCell<State>>,
    changed: watch::Sender<u64>,
}

impl Default for ClusterLock {
    fn default() -> Self {
        let state = State {
            holder: None,
            mood: Mood::Well,
            hung_until: None,
        };
        Self {
            state: Rc::new(RefCell::new(state)),
            changed: watch::Sender::new(0),
        }
    }
}

impl ClusterLock {
    /// How long an attempt takes when all is well.
    pub const LATENCY: Duration = Duration::from_millis(8);
    /// After this long an attempt that hangs is given up.
    pub const ATTEMPT: Duration = Duration::from_secs(120);

    /// Who holds it.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.state.borrow().holder
    }

    /// What the filesystem does now.
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.state.borrow().mood
    }

    /// Changes what the filesystem does.
    pub fn set_mood(&self, mood: Mood) {
        let mut state = self.state.borrow_mut();
        if state.mood == Mood::Hanging {
            state.hung_until = Some(Instant::now());
        }
        state.mood = mood;
    }

    /// Whether somebody's attempt may still hang: those that do go on when the filesystem is well again.
    #[must_use]
    pub fn hangs(&self) -> bool {
        let state = self.state.borrow();
        let since = state.hung_until.map(|until| until.elapsed());
        state.mood == Mood::Hanging || since.is_some_and(|since| since < Self::ATTEMPT)
    }

    /// Takes the lock if it is free; tells whether `who` holds it now.
    #[must_use]
    pub fn take(&self, who: Holder) -> bool {
        let mut state = self.state.borrow_mut();
        let holder = *state.holder.get_or_insert(who);
        holder == who
    }

    /// Gives the lock back, if `who` holds it.
    pub fn release(&self, who: Holder) {
        if self.holder() == Some(who) {
            self.lose();
        }
    }

    /// Takes the lock away from whoever holds it.
    pub fn lose(&self) {
        self.state.borrow_mut().holder = None;
        self.changed.send_modify(|count| *count += 1);
    }

    /// Ends when `who`, who holds the lock, does not hold it any more.
    pub async fn lost_by(&self, who: Holder) {
        let mut changes = self.changed.subscribe();
        while self.holder() == Some(who) {
            // The sender lives as long as this lock.
            let _ = changes.changed().await;
        }
    }
}
