//! Once the faults are over, the cluster works again: all nodes healthy, one leader, no recovery.

use ctdb_core::shared::{RecoveryMode, RunState};
use ctdb_protocol::types::NodeFlags;

use crate::world::World;

/// What keeps the cluster from being all right; nothing when it is.
#[must_use]
pub fn complaints(world: &World) -> Vec<String> {
    let mut complaints = Vec::new();
    for pnn in world.numbers() {
        let Some(life) = world.life(pnn) else {
            complaints.push(format!("node {pnn} does not run"));
            continue;
        };
        let node = life.node.borrow();
        let shared = node.shared();
        if shared.run_state != RunState::Running {
            complaints.push(format!(
                "node {pnn} is in run state {}",
                shared.run_state.name()
            ));
        }
        if shared.recovery_mode != RecoveryMode::Normal {
            complaints.push(format!("node {pnn} is in recovery"));
        }
        for member in shared
            .members
            .iter()
            .filter(|member| member.flags != NodeFlags::empty())
        {
            complaints.push(format!(
                "node {pnn} sees node {} as {:?}",
                member.pnn, member.flags
            ));
        }
    }
    complaints.extend(super::generation::check_quiet(world));
    complaints.extend(super::addresses::check_quiet(world));
    complaints
}
