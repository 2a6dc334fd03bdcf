// SPDX-License-Identifier: GPL-3.0-or-later
//! The two ends of a takeover run, of which the leader tells every node: START_IPREALLOCATE before the
//! first address moves, IPREALLOCATED after the last. Scripts hear of both by an event, clients by a
//! message.

use bytes::Bytes;
use ctdb_protocol::srvid::Srvid;

use super::service::{AfterEvent, Failover};
use crate::context::Context;
use crate::control::Asker;
use crate::event::{self, Event};
use ctdb_protocol::types::RunState;

/// One end of a takeover run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// START_IPREALLOCATE.
    Begin,
    /// IPREALLOCATED.
    End,
}

impl Edge {
    fn event(self) -> Event {
        match self {
            Self::Begin => Event::StartIpreallocate,
            Self::End => Event::Ipreallocated,
        }
    }

    fn message(self) -> Srvid {
        match self {
            Self::Begin => Srvid::START_IPREALLOCATE,
            Self::End => Srvid::IPREALLOCATED,
        }
    }
}

impl Failover {
    /// START_IPREALLOCATE or IPREALLOCATED: answered when the event is over.
    pub(super) fn run_edge(&mut self, cx: &mut Context, asker: Asker, edge: Edge) {
        let name = edge.event().name();
        // A node that has never run hosts nothing that could move.
        if edge == Edge::Begin && cx.run_state() < RunState::RUNNING {
            cx.info(format!("Skipping \"{name}\" event, not RUNNING/SHUTDOWN"));
            return cx.reply_status(asker, 0);
        }
        let then = AfterEvent::Edge { asker, edge };
        if !event::run(cx, edge.event(), Vec::new(), then) {
            cx.error(format!("Failed to run \"{name}\" event"));
            cx.reply_status(asker, -1);
        }
    }

    /// Clients hear of it even if a script failed: the addresses move, or have moved, all the same.
    pub(super) fn finish_edge(cx: &mut Context, asker: Asker, edge: Edge, status: i32) {
        let status = edge.event().verdict(status);
        if status != 0 {
            let name = edge.event().name();
            cx.error(format!("\"{name}\" event failed (status {status})"));
        }
        cx.message(cx.pnn(), edge.message(), Bytes::new());
        cx.reply_status(asker, status);
    }
}
