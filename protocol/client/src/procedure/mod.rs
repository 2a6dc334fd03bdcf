//! Long procedures, written as straight async functions over the typed client.
//!
//! The same function runs inside the daemon, in a helper program and in the simulator, so none of
//! them reads a clock other than tokio's or knows where its client leads to.
//!
//! - [`cluster_watch`]: what upstream's recovery daemon does: leadership, flags, when to recover, bans.
//! - [`recovery`]: one recovery of all databases, step by step.
//! - [`election`]: who leads: the rules alone, as a state machine.
//! - [`takeover`]: one distribution of the public addresses.
//! - [`environment`]: what the watch needs from whoever runs it.

pub mod ask;
pub mod cluster_watch;
mod culprits;
pub mod election;
pub mod environment;
pub mod recovery;
pub mod takeover;
pub mod tunables;

pub use environment::{Configuration, Environment, Level, LockAttempt};
