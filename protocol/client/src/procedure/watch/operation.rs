//! A kind of work that others can forbid for a while: recoveries and takeover runs.

use std::time::Duration;

use tokio::time::Instant;

/// Whether the work runs, and until when it must not. Upstream: `struct ctdb_op_state`.
#[derive(Debug, Default)]
pub(super) struct Operation {
    running: bool,
    disabled_until: Option<Instant>,
    /// A leader forbade it for as long as its own run lasts.
    by_leader: bool,
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

    /// Ends the work.
    pub(super) fn end(&mut self) {
        self.running = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_work_cannot_be_forbidden_but_forbidden_work_can_be_allowed() {
        let mut operation = Operation::default();
        let now = Instant::now();
        assert!(operation.begin(now));
        assert!(!operation.begin(now));
        assert_eq!(operation.disable(now, Duration::from_secs(1)), Err(Busy));
        assert_eq!(operation.disable(now, Duration::ZERO), Ok(()));
        operation.end();
        assert_eq!(operation.disable(now, Duration::from_secs(1)), Ok(()));
        assert!(!operation.begin(now));
        assert!(operation.begin(now + Duration::from_secs(1)));
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
