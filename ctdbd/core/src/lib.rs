//! Every decision of the CTDB daemon, without a clock, a socket, a process or a file.
//!
//! A [`Node`] is one cluster node. The shell around it feeds [`Input`]s (packets, timers, answers of
//! helpers) and carries out the [`Effect`]s that come back. Record storage is the one thing that is
//! called directly, through the [`store`] traits, since a record is read and written under a lock that
//! must not be held across turns.
//!
//! Words used throughout, as upstream uses them:
//! - *pnn*: physical node number, the index of a node in the nodes list.
//! - *vnn map*: the nodes that share the keys of volatile databases among them, and the generation.
//! - *lmaster*: the node that a key hashes to; it always knows where the record is.
//! - *dmaster*: the node that holds the current copy of a record and may change it.
//! - *rsn*: record sequence number; grows each time a record moves, so that recovery finds the newest copy.
//! - *generation*: number of the last recovery, the fence that keeps late packets out.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod context;
pub mod control;
mod daemon;
pub mod database;
pub mod effect;
pub mod event;
pub mod failover;
pub mod health;
pub mod input;
pub mod letter;
pub mod node;
mod packet;
pub mod proxy;
pub mod settings;
pub mod statistics;
pub mod store;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timer;
pub mod transport;

pub use effect::Effect;
pub use input::Input;
pub use letter::{Delivery, split_mix};
pub use node::{Node, NodeConfig};
pub use settings::Settings;
pub use time::Now;
