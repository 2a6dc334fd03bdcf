//! Once the faults are over, the cluster works again: all nodes healthy, one leader, no recovery.

use ctdb_protocol::types::{NodeFlags, RunState};

use crate::world::World;

/// What keeps the cluster from being all right; nothing when it is.
#[must_use]
pub fn complaints(world: &World) -> Vec<String> {
    let mut complaints = Vec::new();
    for pnn in world.numbers() {
        let Some(daemon) = world.daemon(pnn) else {
            complaints.push(format!("node {pnn} does not run"));
            continue;
        };
        let node = daemon.node.borrow();
        let view = node.view();
        if view.run_state() != RunState::RUNNING {
            complaints.push(format!(
                "node {pnn} is in run state {}",
                view.run_state().name().unwrap_or_default()
            ));
        }
        if view.recovering() {
            complaints.push(format!("node {pnn} is in recovery"));
        }
        for member in view
            .members()
            .filter(|member| member.flags() != NodeFlags::empty())
        {
            complaints.push(format!(
                "node {pnn} sees node {} as {:?}",
                member.pnn(),
                member.flags()
            ));
        }
    }
    complaints.extend(super::generation::check_quiet(world));
    complaints.extend(super::addresses::check_quiet(world));
    complaints
}
