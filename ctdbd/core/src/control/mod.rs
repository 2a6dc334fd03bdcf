//! Controls: one table of what each of them does, and the handlers by subject.

pub mod client;
pub mod database;
pub mod dispatch;
pub mod failover;
pub mod general;
