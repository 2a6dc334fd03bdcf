//! A kind of work that others can forbid for a while: recoveries and takeover runs.

use std::time::Duration;

use ctdb_protocol::types::DisableMessage;
use tokio::time::Instant;

/// More askers than this do not wait: nobody needs that many.
const WAITING: usize = 64;

/// Whether the work runs, and until when it must not. Upstream: `struct ctdb_op_state`.
#[derive(Debug, Default)]
pub(super) struct Operation {
    running: bool,
    disabled_until: Option<Instant>,
    /// A leader forbade it for as long as its own run lasts.
    by_leader: bool,
    /// Who wants to forbid it when the running work has ended, and until when that one waits.
    waiting: Vec<(Instant, DisableMessage)>,
}

/// The work runs just now, so it cannot be forbidden: upstream's -EAGAIN.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Operation {
    /// Forbids the work for a while; no time at all allows it again.
    pub(super) fn disable(&mut self, now: Instant, time: Duration) -> Result<(), Busy> {
        if time.is_zero() {
            self.disabled_until = None;
            return Ok(());
        }
        if self.running {
            return Err(Busy);
        }
        self.by_leader = false;
        self.disabled_until = Some(now + time);
        Ok(())
    }

    /// Remembers who wants to forbid the work that runs. Upstream refuses at once, but its runs begin up
    /// to a second after what causes them, and ours at once: a tool that changes something and then
    /// asks for quiet would be refused for its own change. A tool asks for quiet twice as long as it
    /// waits for the answer.
    pub(super) fn disable_later(&mut self, now: Instant, ask: DisableMessage) -> Result<(), Busy> {
        if self.waiting.len() >= WAITING {
            return Err(Busy);
        }
        let patience = Duration::from_secs(ask.timeout_s.into()) / 2;
        self.waiting.push((now + patience, ask));
        Ok(())
    }

    /// What forbids the work just now is a leader's own run.
    pub(super) fn disabled_by_leader(&mut self) {
        self.by_leader = self.disabled_until.is_some();
    }

    /// There is no such leader any more: its run ended with it.
    pub(super) fn leader_gone(&mut self) {
        if std::mem::take(&mut self.by_leader) {
            self.disabled_until = None;
        }
    }

    /// Whether the work is forbidden now.
    pub(super) fn is_disabled(&self, now: Instant) -> bool {
        self.disabled_until.is_some_and(|until| now < until)
    }

    /// Begins the work unless it is forbidden or runs already.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.running || self.is_disabled(now) {
            return false;
        }
        self.running = true;
        true
    }

    /// Ends the work, which those who waited for that forbid now; they are to be told.
    pub(super) fn end(&mut self, now: Instant) -> Vec<DisableMessage> {
        self.running = false;
        let mut granted = Vec::new();
        for (until, ask) in std::mem::take(&mut self.waiting) {
            let time = Duration::from_secs(ask.timeout_s.into());
            if now < until && self.disable(now, time).is_ok() {
                granted.push(ask);
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::{Pnn, Srvid};

    use super::*;

    #[test]
    fn running_work_cannot_be_forbidden_but_forbidden_work_can_be_allowed() {
        let mut operation = Operation::default();
        let now = Instant::now();
        assert!(operation.begin(now));
        assert!(!operation.begin(now));
        assert_eq!(operation.disable(now, Duration::from_secs(1)), Err(Busy));
        assert_eq!(operation.disable(now, Duration::ZERO), Ok(()));
        assert_eq!(operation.end(now), []);
        assert_eq!(operation.disable(now, Duration::from_secs(1)), Ok(()));
        assert!(!operation.begin(now));
        assert!(operation.begin(now + Duration::from_secs(1)));
    }

    #[test]
    fn who_waits_for_the_end_forbids_what_comes_next() {
        let mut operation = Operation::default();
        let now = Instant::now();
        let patient = DisableMessage::new(Pnn(1), Srvid(7), 20);
        let hasty = DisableMessage::new(Pnn(2), Srvid(8), 2);
        assert!(operation.begin(now));
        assert_eq!(operation.disable_later(now, hasty), Ok(()));
        assert_eq!(operation.disable_later(now, patient), Ok(()));
        let end = now + Duration::from_secs(3);
        assert_eq!(operation.end(end), [patient], "the other one has gone");
        assert!(!operation.begin(end));
        assert!(operation.begin(end + Duration::from_secs(20)));
    }

    #[test]
    fn nobody_waits_in_a_crowd_without_end() {
        let mut operation = Operation::default();
        let now = Instant::now();
        let ask = DisableMessage::new(Pnn(1), Srvid(7), 20);
        assert!(operation.begin(now));
        for _ in 0..WAITING {
            assert_eq!(operation.disable_later(now, ask), Ok(()));
        }
        assert_eq!(operation.disable_later(now, ask), Err(Busy));
    }

    #[test]
    fn what_a_leader_forbade_ends_with_it() {
        let mut operation = Operation::default();
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        assert_eq!(operation.disable(now, minute), Ok(()));
        operation.leader_gone();
        assert!(operation.is_disabled(now), "somebody else forbade it");
        operation.disabled_by_leader();
        operation.leader_gone();
        assert!(!operation.is_disabled(now));
    }
}
