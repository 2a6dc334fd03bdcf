//! A recovery rebuilds a database: the whole file is frozen, its records are pulled to the leader, and what the leader has
//! chosen is pushed back, in one transaction.

pub(in crate::database) mod freeze;
pub(in crate::database) mod pull;
pub(in crate::database) mod push;
mod rebuild;
pub(in crate::database) mod wipe;
