//! Tests put a node into states that take long to get to otherwise.

use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::{NodeFlags, RecoveryMode, RunState};

use super::Cluster;
use crate::context::Context;

pub(crate) fn set_run_state(cx: &mut Context, state: RunState) {
    cx.view_mut().run_state = state;
}

pub(crate) fn set_recovery_mode(cx: &mut Context, mode: RecoveryMode) {
    cx.view_mut().recovery_mode = mode;
}

pub(crate) fn set_generation(cx: &mut Context, generation: Generation) {
    cx.view_mut().vnn_map.generation = generation;
}

pub(crate) fn set_flags(cx: &mut Context, pnn: Pnn, flags: NodeFlags) {
    *cx.view_mut().flags_mut(pnn).expect("a node of the list") = flags;
}

pub(crate) fn add_flag(cx: &mut Context, pnn: Pnn, flag: NodeFlags) {
    *cx.view_mut().flags_mut(pnn).expect("a node of the list") |= flag;
}

impl Cluster {
    /// Which limit for addresses in recovery mode is armed.
    pub(crate) fn address_limit(&self) -> Option<crate::timer::TimerId> {
        self.drop_addresses
    }
}
