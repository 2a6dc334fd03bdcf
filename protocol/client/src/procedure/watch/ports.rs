//! Message ports of the watch that upstream does not have. Its nodes ignore them.

use ctdb_protocol::Srvid;

/// "I accept you as leader", to the sender of an ELECTION message; payload: u32 own node number.
///
/// When all connected nodes have said so, an election without lock need not run its full time.
pub const ELECTION_YIELD: Srvid = Srvid(0xF1F0_0000_0000_0000);

/// From a daemon to its own watch: node flags, capabilities, the recovery mode or the nodes list
/// changed. No payload. Never sent to another node. `ctdb_core::node::MEMBERSHIP_CHANGED`.
pub const NODE_CHANGED: Srvid = Srvid(Srvid::SERVER_RANGE.0 | 0x00ff_0000_0000_0001);
