//! The beginning and end of a recovery on this node: START_RECOVERY and END_RECOVERY.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::GetReclockFile;
use ctdb_protocol::id::ClientId;
use ctdb_protocol::packet::ReplyControl;
use ctdb_protocol::types::RunState;

use super::{AfterEvent, Asked, Cluster, Due, Reason};
use crate::context::Context;
use crate::control::{Asker, failed};
use crate::database;
use crate::event::{self, Event};
use crate::statistics::Count as _;

impl Cluster {
    /// START_RECOVERY: the leader must have the same cluster lock; then the event runs.
    pub(super) fn start_recovery(&mut self, cx: &mut Context, asker: Asker) {
        self.recovery_started_us = cx.now().wall_us;
        let node = asker.node;
        let question = Asked::LockCheck { asker, node };
        if !cx.control::<GetReclockFile>(node, &(), ClientId(0), question) {
            run_start_recovery(cx, asker);
        }
    }

    /// The leader has said which cluster lock it uses. If it is another one than ours, leave.
    pub(crate) fn answered(&mut self, cx: &mut Context, asked: Asked, answer: &ReplyControl) {
        let Asked::LockCheck { asker, .. } = asked;
        if answer.status != 0 {
            let text = String::from_utf8_lossy(&answer.errormsg).into_owned();
            return cx.refuse(asker, answer.status, &text);
        }
        let theirs =
            String::from_utf8_lossy(answer.data.strip_suffix(b"\0").unwrap_or(&answer.data))
                .into_owned();
        let ours = cx.settings().cluster_lock.clone().unwrap_or_default();
        if theirs == ours {
            return run_start_recovery(cx, asker);
        }
        // The leader tries a recovery more than once, and each attempt asks.
        if self.shutdown.is_none() {
            cx.error(format!(
                "Cluster lock '{ours}' of this node is not that of the leader, node {}: '{theirs}', shutting down",
                asker.node
            ));
        }
        cx.reply_status(asker, -1);
        self.leave_at_once(cx, 1);
    }

    /// ControlTimeout is over for a question.
    pub(crate) fn question_timed_out(&mut self, cx: &mut Context, asked: Asked) {
        self.answered(cx, asked, &failed("ctdb_control timed out"));
    }

    /// The `startrecovery` event has ended.
    pub(super) fn recovery_begun(cx: &mut Context, asker: Asker, status: i32) {
        cx.reply_status(asker, Event::StartRecovery.verdict(status));
    }

    /// END_RECOVERY: what the recovery cut off is answered, then the event runs.
    pub(super) fn end_recovery(cx: &mut Context, asker: Asker) {
        if cx.recovering() {
            Self::run_recovered(cx, asker);
        } else {
            cx.post(database::Letter::EndCommits(asker));
        }
    }

    /// No commit waits for this recovery any more.
    pub(super) fn run_recovered(cx: &mut Context, asker: Asker) {
        let then = AfterEvent::EndRecovery(asker);
        if !event::run(cx, Event::Recovered, Vec::new(), then) {
            cx.reply_status(asker, -1);
        }
    }

    /// The recovered event has ended, however it did.
    pub(super) fn recovery_ended(&mut self, cx: &mut Context, asker: Asker, status: i32) {
        cx.count(|s| s.num_recoveries.up());
        cx.reply(asker, Event::Recovered.verdict(status), Bytes::new());
        self.recovery_finished_us = cx.now().wall_us;
        self.recovery_finished_monotonic_us = cx.now().monotonic_us;
        if self.recovery_owed.take() == Some(cx.generation()) {
            cx.notice("A recovery has to find what was lost while the last one was under way");
            self.enter_recovery(cx, &Reason::Owed);
        }
        if cx.run_state() == RunState::FIRST_RECOVERY {
            self.enter(cx, RunState::STARTUP);
            // Clients that came while the first recovery's scripts ran could not be served before.
            cx.post(database::Letter::ServeAttaches);
            if self.boot.wants_startup() {
                cx.arm(Duration::ZERO, Due::Startup);
            }
        }
    }
}

fn run_start_recovery(cx: &mut Context, asker: Asker) {
    let then = AfterEvent::StartRecovery(asker);
    if !event::run(cx, Event::StartRecovery, Vec::new(), then) {
        cx.reply_status(asker, -1);
    }
}
