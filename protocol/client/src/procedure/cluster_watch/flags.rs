//! Node flags: the owner's word reaches everyone.

use ctdb_protocol::Pnn;
use ctdb_protocol::control::{GetNodeMap, ModifyFlags};
use ctdb_protocol::types::{NodeFlagChange, NodeFlags, NodeMap};
use tokio::time::Instant;

use super::Watch;
use super::view::{View, flags_of};
use crate::procedure::ask::{ask, ask_each};
use crate::procedure::environment::{Environment, Level};

/// Flags that each node knows for itself; nobody's word about them counts.
const LOCAL_ONLY: NodeFlags = NodeFlags::DISCONNECTED;

impl<E: Environment> Watch<E> {
    /// Repairs what nodes believe about each other; `maps` are the connected nodes' own maps.
    /// Returns whether anything was changed.
    pub(super) async fn repair_flags(
        &self,
        view: &View,
        maps: &[(Pnn, NodeMap)],
    ) -> Result<bool, super::pass::EndOfPass> {
        let mut changed = false;
        for change in self.due_changes(differences(&view.nodes, maps)) {
            self.log(
                Level::Notice,
                &format!(
                    "Pushing updated flags for node {} (0x{:x})",
                    change.pnn,
                    change.new_flags.bits()
                ),
            );
            let limit = view.tunables.recover_timeout();
            ask_each::<ModifyFlags>(&self.client, &view.connected(), &change, limit).await?;
            changed = true;
        }
        Ok(changed)
    }

    /// Those that are to be told now: a node that does not take one is told again, but not all the time.
    fn due_changes(&self, mut changes: Vec<NodeFlagChange>) -> Vec<NodeFlagChange> {
        let key = |change: &NodeFlagChange| (change.pnn, change.new_flags.bits());
        let now = Instant::now();
        let pushed = &mut self.state.borrow_mut().pushed;
        pushed.keep(|told| changes.iter().any(|change| key(change) == *told));
        changes.retain(|change| pushed.allow(&key(change), now));
        for change in &changes {
            pushed.attempt(key(change), now);
        }
        changes
    }

    /// Tells everyone of a change that the own daemon made to its flags, as the leader's map knows
    /// the nodes. Upstream: `push_flags_handler`.
    pub(super) async fn push_flags(&self, change: NodeFlagChange) {
        let leader = self.election.borrow().leader();
        let Some(view) = self.view.borrow().clone() else {
            return;
        };
        if leader == Pnn::UNKNOWN {
            return;
        }
        let limit = view.tunables.recover_timeout();
        let map = match ask::<GetNodeMap>(&self.client, leader, &(), limit).await {
            Ok(map) => map,
            Err(error) => {
                self.log(
                    Level::Warning,
                    &format!("Flags of node {} not pushed: {error}", change.pnn),
                );
                return;
            }
        };
        let connected = View { nodes: map, ..view }.connected();
        if let Err(error) = ask_each::<ModifyFlags>(&self.client, &connected, &change, limit).await
        {
            self.log(
                Level::Error,
                &format!("Flags of node {} not pushed: {error}", change.pnn),
            );
        }
    }
}

/// The changes that make all maps agree with the owners.
fn differences(leaders: &NodeMap, maps: &[(Pnn, NodeMap)]) -> Vec<NodeFlagChange> {
    let mut changes = Vec::new();
    for (owner, map) in maps {
        let (Some(owned), Some(believed)) = (flags_of(map, *owner), flags_of(leaders, *owner))
        else {
            continue;
        };
        let disagrees = |flags: Option<NodeFlags>| {
            flags.is_some_and(|flags| {
                !flags.intersects(LOCAL_ONLY) && flags != owned.difference(LOCAL_ONLY)
            })
        };
        let somebody = maps.iter().any(|(_, map)| disagrees(flags_of(map, *owner)));
        if disagrees(Some(believed)) || somebody {
            changes.push(NodeFlagChange {
                pnn: *owner,
                new_flags: owned,
                old_flags: believed,
            });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::types::{NodeAndFlags, SockAddr};

    use super::*;

    fn map(flags: &[u32]) -> NodeMap {
        let node = |(number, bits): (usize, &u32)| NodeAndFlags {
            pnn: Pnn(u32::try_from(number).expect("few nodes")),
            flags: NodeFlags::from_bits_retain(*bits),
            addr: SockAddr::UNSPECIFIED,
        };
        NodeMap {
            nodes: flags.iter().enumerate().map(node).collect(),
        }
    }

    #[test]
    fn the_owner_is_right_and_disagreement_anywhere_is_repaired() {
        let leaders = map(&[0, 2, 0]);
        let maps = [
            (Pnn(0), map(&[0, 2, 0])),
            (Pnn(1), map(&[0, 0, 0])),
            (Pnn(2), map(&[0, 2, 0])),
        ];
        let changes = differences(&leaders, &maps);
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].pnn, changes[0].new_flags),
            (Pnn(1), NodeFlags::empty())
        );

        let leaders = map(&[0, 4, 0]);
        let maps = [
            (Pnn(0), map(&[0, 4, 0])),
            (Pnn(1), map(&[0, 4, 0])),
            (Pnn(2), map(&[0, 0, 0])),
        ];
        assert_eq!(
            differences(&leaders, &maps)[0].new_flags,
            NodeFlags::PERMANENTLY_DISABLED
        );
    }

    #[test]
    fn a_missing_connection_between_two_others_is_their_own_business() {
        let leaders = map(&[0, 0, 0]);
        let maps = [
            (Pnn(0), map(&[0, 0, 0])),
            (Pnn(1), map(&[0, 0, 3])),
            (Pnn(2), map(&[0, 3, 0])),
        ];
        assert_eq!(differences(&leaders, &maps), []);
    }
}
